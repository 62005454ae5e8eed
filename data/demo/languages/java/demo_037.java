import java.util.LongSummaryStatistics;
import java.util.Scanner;
import java.util.stream.LongStream;

public class Main {
    public static void main(String[] args) {
        System.out.println(spread(read(new Scanner(System.in)).summaryStatistics()));
    }

    static LongStream read(Scanner input) {
        int n = input.nextInt();
        return LongStream.generate(input::nextLong).limit(n);
    }

    static long spread(LongSummaryStatistics of) {
        return of.getMax() - of.getMin();
    }
}
