import java.util.Scanner;

public class Main {
    // Read the number as text, since it has up to 30 digits, and print the sum of its digits.
    public static void main(String[] args) {
        System.out.println(digitSum(new Scanner(System.in).next()));
    }

    // Return the sum of the values of all digits.
    static int digitSum(String number) {
        int sum = 0;
        for (char digit : number.toCharArray()) {
            sum += digit - '0';
        }
        return sum;
    }
}
