import java.util.Scanner;

class Bases {
    static final String DIGITS = "0123456789ABCDEF";

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        System.out.println(inBase(input.nextLong(), input.nextInt()));
    }

    /** All digits but the last, then the last. */
    static String inBase(long number, int base) {
        String last = String.valueOf(DIGITS.charAt((int) (number % base)));
        return number < base ? last : inBase(number / base, base) + last;
    }
}
