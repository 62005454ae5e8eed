import java.util.Scanner;
import java.util.stream.LongStream;

public class Main {
    public static void main(String[] args) {
        System.out.println(steps(new Scanner(System.in).nextLong()));
    }

    // How many numbers there are before 1.
    static long steps(long start) {
        return LongStream.iterate(start, number -> number != 1, Main::next).count();
    }

    static long next(long number) {
        return number % 2 == 0 ? number / 2 : 3 * number + 1;
    }
}
