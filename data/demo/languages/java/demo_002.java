import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        String text = new Scanner(System.in).nextLine();
        System.out.println(countVowels(text));
    }

    // Count the letters that are vowels.
    static long countVowels(String text) {
        return text.chars().filter(Main::isVowel).count();
    }

    // Whether a letter is one of a, e, i, o, u.
    static boolean isVowel(int letter) {
        return "aeiou".indexOf(letter) >= 0;
    }
}
