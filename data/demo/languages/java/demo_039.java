import java.util.Map;
import java.util.Scanner;
import java.util.TreeSet;

public class Main {
    static final Map<Character, Integer> VALUES =
        Map.of('I', 1, 'V', 5, 'X', 10, 'L', 50, 'C', 100, 'D', 500, 'M', 1000);

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        TreeSet<Integer> years = new TreeSet<>();
        for (int n = input.nextInt(); n > 0; n--) years.add(year(input.next()));
        System.out.println(years.first() + " " + years.last());
    }

    // From the end: a letter smaller than the one after it is subtracted.
    static int year(String numeral) {
        int sum = 0;
        int after = 0;
        for (int i = numeral.length() - 1; i >= 0; i--) {
            int value = VALUES.get(numeral.charAt(i));
            sum += signed(value, after);
            after = value;
        }
        return sum;
    }

    static int signed(int value, int after) {
        return value < after ? -value : value;
    }
}
