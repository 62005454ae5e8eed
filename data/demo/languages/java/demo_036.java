import java.util.Scanner;

public class Main {
    static char[][] map;

    public static void main(String[] args) {
        read();
        int lakes = 0, largest = 0;
        for (int row = 0; row < map.length; row++) {
            for (int column = 0; column < map[row].length; column++) {
                int size = drain(row, column);
                if (size > 0) lakes++;
                largest = Math.max(largest, size);
            }
        }
        System.out.println(lakes + " " + largest);
    }

    static void read() {
        Scanner input = new Scanner(System.in);
        map = new char[input.nextInt()][];
        input.nextInt();
        for (int row = 0; row < map.length; row++) map[row] = input.next().toCharArray();
    }

    // Turn a lake to land, field by field, and return its size.
    static int drain(int row, int column) {
        if (row < 0 || column < 0 || row >= map.length || column >= map[row].length || map[row][column] != '#') return 0;
        map[row][column] = '.';
        return 1 + drain(row - 1, column) + drain(row + 1, column) + drain(row, column - 1) + drain(row, column + 1);
    }
}
