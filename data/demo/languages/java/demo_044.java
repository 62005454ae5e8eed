import java.util.*;

public class CountingOut {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        Queue<Integer> circle = circle(input.nextInt());
        int k = input.nextInt();
        StringBuilder line = new StringBuilder();
        while (!circle.isEmpty()) line.append(leave(circle, k)).append(' ');
        System.out.println(line.toString().trim());
    }

    static Queue<Integer> circle(int n) {
        Queue<Integer> circle = new ArrayDeque<>();
        for (int child = 1; child <= n; child++) circle.add(child);
        return circle;
    }

    // The children that are counted without leaving go to the end of the queue.
    static int leave(Queue<Integer> circle, int k) {
        for (int counted = (k - 1) % circle.size(); counted > 0; counted--) circle.add(circle.remove());
        return circle.remove();
    }
}
