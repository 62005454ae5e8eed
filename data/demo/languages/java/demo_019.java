import java.util.Scanner;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

public class Main {
    static final IntUnaryOperator SQUARE = number -> number * number;

    public static void main(String[] args) {
        System.out.println(numbers(new Scanner(System.in)).map(SQUARE).sum());
    }

    // The n numbers that follow n.
    static IntStream numbers(Scanner input) {
        int n = input.nextInt();
        return IntStream.range(0, n).map(i -> input.nextInt());
    }
}
