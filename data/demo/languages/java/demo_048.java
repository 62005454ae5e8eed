import java.util.*;
import java.util.stream.Collectors;

public class ShortNames {
    public static void main(String[] args) {
        String[] words = new Scanner(System.in).nextLine().trim().split(" +");
        System.out.println(Arrays.stream(words).filter(ShortNames::counts).map(ShortNames::initial).collect(Collectors.joining()));
    }

    static boolean counts(String word) {
        return word.length() >= 3;
    }

    static String initial(String word) {
        return word.substring(0, 1).toUpperCase();
    }
}
