import java.util.Scanner;

public class Main implements Runnable {
    static final int MODULUS = 1_000_000_007;

    public static void main(String[] args) throws InterruptedException {
        Thread thread = new Thread(null, new Main(), "main", 1 << 28);
        thread.start();
        thread.join();
    }

    @Override
    public void run() {
        Scanner input = new Scanner(System.in);
        boolean[] broken = new boolean[input.nextInt() + 1];
        for (int left = input.nextInt(); left > 0; left--) broken[input.nextInt()] = true;
        System.out.println(ways(broken.length - 1, broken, new Integer[broken.length]));
    }

    // The ways to a step, from those to the three below it, as deep as the staircase is high.
    int ways(int step, boolean[] broken, Integer[] known) {
        if (step <= 0) return step == 0 ? 1 : 0;
        if (broken[step]) return 0;
        if (known[step] == null) {
            long sum = 0;
            for (int move = 1; move <= 3; move++) sum += ways(step - move, broken, known);
            known[step] = (int) (sum % MODULUS);
        }
        return known[step];
    }
}
