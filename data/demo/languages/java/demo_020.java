import java.util.Scanner;

public class MirrorText {
    public static void main(String[] args) {
        String letters = lettersOf(new Scanner(System.in).nextLine());
        System.out.println(isMirror(letters) ? "YES" : "NO");
    }

    // All letters, in lowercase.
    static String lettersOf(String text) {
        return text.replaceAll("[^A-Za-z]", "").toLowerCase();
    }

    // Whether a text reads the same from both ends.
    static boolean isMirror(String letters) {
        return new StringBuilder(letters).reverse().toString().equals(letters);
    }
}
