import java.util.Arrays;
import java.util.Scanner;

public class Main {
    /** Read the scores, print how many are above the average. */
    public static void main(String[] args) {
        System.out.println(countAbove(readScores(new Scanner(System.in))));
    }

    /** Read n and the n scores. */
    static int[] readScores(Scanner input) {
        int[] scores = new int[input.nextInt()];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = input.nextInt();
        }
        return scores;
    }

    /** Count the scores above the average, without dividing. */
    static long countAbove(int[] scores) {
        int sum = Arrays.stream(scores).sum();
        return Arrays.stream(scores).filter(score -> score * scores.length > sum).count();
    }
}
