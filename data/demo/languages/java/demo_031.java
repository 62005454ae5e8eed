import java.util.Scanner;

class OddRange {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        long a = input.nextLong();
        long b = input.nextLong();
        System.out.println(oddSum(firstOdd(a), b));
    }

    /** The smallest odd number that is not below a limit. */
    static long firstOdd(long limit) {
        return limit % 2 == 0 ? limit + 1 : limit;
    }

    static long oddSum(long first, long last) {
        long sum = 0;
        for (long number = first; number <= last; number += 2) {
            sum += number;
        }
        return sum;
    }
}
