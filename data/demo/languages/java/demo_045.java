import java.util.Scanner;

public class Main {
    final long insert, remove, replace;

    Main(Scanner input) {
        insert = input.nextLong();
        remove = input.nextLong();
        replace = input.nextLong();
    }

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.println(new Main(input).repair(input.next(), input.next()));
    }

    // The edit distance, row by row of the table of beginnings of both words.
    long repair(String from, String to) {
        long[] row = new long[to.length() + 1];
        for (int j = 0; j <= to.length(); j++) row[j] = j * insert;
        for (int i = 1; i <= from.length(); i++) {
            long[] next = new long[to.length() + 1];
            next[0] = i * remove;
            for (int j = 1; j <= to.length(); j++) {
                long same = row[j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : replace);
                next[j] = Math.min(same, Math.min(row[j] + remove, next[j - 1] + insert));
            }
            row = next;
        }
        return row[to.length()];
    }
}
