import java.util.*;

public class Main {
    record Thing(int weight, int value) {}

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int n = input.nextInt();
        int limit = input.nextInt();
        List<Thing> things = new ArrayList<>();
        while (n-- > 0) things.add(new Thing(input.nextInt(), input.nextInt()));
        int[] values = bestByWeight(things, limit);
        int weight = firstOfBest(values);
        System.out.println(values[weight] + " " + weight);
    }

    /** The greatest value of things that weigh exactly so much, -1 where there are none. */
    static int[] bestByWeight(List<Thing> things, int limit) {
        int[] best = new int[limit + 1];
        Arrays.fill(best, 1, limit + 1, -1);
        for (Thing thing : things) {
            for (int weight = limit; weight >= thing.weight(); weight--) {
                int before = best[weight - thing.weight()];
                if (before >= 0) best[weight] = Math.max(best[weight], before + thing.value());
            }
        }
        return best;
    }

    /** The smallest weight with the greatest value. */
    static int firstOfBest(int[] values) {
        int first = 0;
        for (int weight = 1; weight < values.length; weight++) {
            if (values[weight] > values[first]) first = weight;
        }
        return first;
    }
}
