import java.util.Scanner;

public class Main {
    static final int[] NOTES = {50, 20, 10, 5, 1};

    public static void main(String[] args) {
        int amount = new Scanner(System.in).nextInt();
        System.out.println(count(amount, 0));
    }

    // As many of this note as fit, the rest with the smaller ones.
    static int count(int amount, int note) {
        if (note == NOTES.length) {
            return 0;
        }
        return amount / NOTES[note] + count(amount % NOTES[note], note + 1);
    }
}
