import java.util.*;

public class Main {
    public static void main(String[] args) {
        StringJoiner line = new StringJoiner(" ");
        spiral(readTable(new Scanner(System.in))).forEach(number -> line.add(number.toString()));
        System.out.println(line);
    }

    // Read R, C and the table.
    static int[][] readTable(Scanner input) {
        int[][] table = new int[input.nextInt()][input.nextInt()];
        for (int[] row : table) {
            for (int i = 0; i < row.length; i++) row[i] = input.nextInt();
        }
        return table;
    }

    // Go straight on as long as the next field is new, else turn right.
    static List<Integer> spiral(int[][] table) {
        int[][] steps = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
        boolean[][] seen = new boolean[table.length][table[0].length];
        List<Integer> order = new ArrayList<>();
        int row = 0, column = 0, direction = 0;
        while (true) {
            order.add(table[row][column]);
            seen[row][column] = true;
            if (!isNew(seen, row + steps[direction][0], column + steps[direction][1])) direction = (direction + 1) % 4;
            row += steps[direction][0];
            column += steps[direction][1];
            if (!isNew(seen, row, column)) return order;
        }
    }

    static boolean isNew(boolean[][] seen, int row, int column) {
        return row >= 0 && column >= 0 && row < seen.length && column < seen[0].length && !seen[row][column];
    }
}
