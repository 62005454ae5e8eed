import java.util.Scanner;
import java.util.stream.*;

class PingPong {
    public static void main(String[] args) {
        int n = new Scanner(System.in).nextInt();
        System.out.println(IntStream.rangeClosed(1, n).mapToObj(PingPong::call).collect(Collectors.joining("\n")));
    }

    // What stands for a number.
    static String call(int number) {
        if (number % 12 == 0) return "ping pong";
        if (number % 4 == 0) return "ping";
        return number % 6 == 0 ? "pong" : Integer.toString(number);
    }
}
