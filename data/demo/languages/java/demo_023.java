import java.util.Scanner;

record Garden(long a, long b) {
    long area() {
        return a * b;
    }

    long fence() {
        return 2 * (a + b);
    }
}

class Main {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        Garden garden = new Garden(input.nextLong(), input.nextLong());
        System.out.printf("%d %d%n", garden.area(), garden.fence());
    }
}
