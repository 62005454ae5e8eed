import java.io.*;
import java.util.*;

public class ExactChange {
    static final int NEVER = Integer.MAX_VALUE / 2;

    public static void main(String[] args) throws IOException {
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        int amount = Integer.parseInt(reader.readLine().split(" ")[1]);
        int[] coins = Arrays.stream(reader.readLine().trim().split(" ")).mapToInt(Integer::parseInt).toArray();
        System.out.println(fewest(coins, amount));
    }

    /** The fewest coins of every amount, from those of smaller amounts. */
    private static int fewest(int[] coins, int amount) {
        int[] best = new int[amount + 1];
        Arrays.fill(best, NEVER);
        best[0] = 0;
        for (int paid = 1; paid <= amount; paid++) {
            for (int coin : coins) {
                if (coin <= paid) best[paid] = Math.min(best[paid], best[paid - coin] + 1);
            }
        }
        return best[amount] == NEVER ? -1 : best[amount];
    }
}
