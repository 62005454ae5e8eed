import java.util.*;

public class Main {
    static List<List<Integer>> after = new ArrayList<>();
    static int[] waitsFor;

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int n = input.nextInt(), m = input.nextInt();
        waitsFor = new int[n + 1];
        for (int i = 0; i <= n; i++) after.add(new ArrayList<>());
        for (int i = 0; i < m; i++) {
            int a = input.nextInt(), b = input.nextInt();
            after.get(a).add(b);
            waitsFor[b]++;
        }
        List<String> order = smallestOrder(n);
        System.out.println(order.size() == n ? String.join(" ", order) : "IMPOSSIBLE");
    }

    // Of the tasks that wait for nothing, always take the smallest; what is in a circle never comes.
    static List<String> smallestOrder(int n) {
        PriorityQueue<Integer> ready = new PriorityQueue<>();
        for (int task = 1; task <= n; task++) if (waitsFor[task] == 0) ready.add(task);
        List<String> order = new ArrayList<>();
        while (!ready.isEmpty()) {
            int task = ready.poll();
            order.add(String.valueOf(task));
            for (int next : after.get(task)) if (--waitsFor[next] == 0) ready.add(next);
        }
        return order;
    }
}
