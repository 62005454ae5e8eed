import java.util.Scanner;
import java.util.stream.IntStream;

public class Main {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.println(count(input.nextInt(), input.nextInt(), input.nextInt()));
    }

    /** How many numbers up to a limit a or b divides. */
    static long count(int limit, int a, int b) {
        return IntStream.rangeClosed(1, limit).filter(number -> divides(a, number) || divides(b, number)).count();
    }

    static boolean divides(int divisor, int number) {
        return number % divisor == 0;
    }
}
