import java.util.*;

public class Main {
    static int[][] map;

    public static void main(String[] args) {
        map = readMap(new Scanner(System.in));
        int low = 0;
        int high = 1_000_000;
        while (low < high) {
            int middle = (low + high) / 2;
            if (canPass(middle)) high = middle;
            else low = middle + 1;
        }
        System.out.println(low);
    }

    // Read R, C and the heights.
    static int[][] readMap(Scanner input) {
        int[][] heights = new int[input.nextInt()][input.nextInt()];
        for (int[] row : heights) Arrays.setAll(row, i -> input.nextInt());
        return heights;
    }

    // Whether there is a way on which no field is higher than a limit.
    static boolean canPass(int limit) {
        boolean[][] seen = new boolean[map.length][map[0].length];
        visit(0, 0, limit, seen);
        return seen[map.length - 1][map[0].length - 1];
    }

    // Mark a field and all that can be reached from it.
    static void visit(int row, int column, int limit, boolean[][] seen) {
        if (row < 0 || column < 0 || row == map.length || column == map[0].length) return;
        if (seen[row][column] || map[row][column] > limit) return;
        seen[row][column] = true;
        visit(row + 1, column, limit, seen);
        visit(row - 1, column, limit, seen);
        visit(row, column + 1, limit, seen);
        visit(row, column - 1, limit, seen);
    }
}
