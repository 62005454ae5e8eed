import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        int[] counts = count(new Scanner(System.in).next());
        int most = firstOfMost(counts);
        System.out.println((char) ('a' + most) + " " + counts[most]);
    }

    // How often each letter occurs.
    static int[] count(String word) {
        int[] counts = new int[26];
        word.chars().forEach(letter -> counts[letter - 'a']++);
        return counts;
    }

    // The first position of the greatest count.
    static int firstOfMost(int[] counts) {
        int most = 0;
        for (int i = 1; i < counts.length; i++) {
            if (counts[i] > counts[most]) most = i;
        }
        return most;
    }
}
