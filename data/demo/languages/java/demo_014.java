import java.util.Scanner;

class Robot {
    int x;
    int y;

    // Carry out one command.
    void move(String direction, int distance) {
        switch (direction) {
            case "U" -> y += distance;
            case "D" -> y -= distance;
            case "R" -> x += distance;
            case "L" -> x -= distance;
            default -> throw new IllegalArgumentException(direction);
        }
    }

    // Distance from the start, along the axes.
    int distance() {
        return Math.abs(x) + Math.abs(y);
    }
}

class Walk {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        Robot robot = new Robot();
        int farthest = 0;
        for (int left = input.nextInt(); left > 0; left--) {
            robot.move(input.next(), input.nextInt());
            farthest = Math.max(farthest, robot.distance());
        }
        System.out.println(robot.x + " " + robot.y);
        System.out.println(farthest);
    }
}
