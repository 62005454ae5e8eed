import java.util.Scanner;

public class Main {
    private final int places;

    Main(int places) {
        this.places = places;
    }

    // Shift every letter of a message.
    String encrypt(String message) {
        StringBuilder encrypted = new StringBuilder();
        for (char letter : message.toCharArray()) encrypted.append(shifted(letter));
        return encrypted.toString();
    }

    // Shift one letter; other characters stay.
    private char shifted(char letter) {
        if (letter < 'a' || letter > 'z') return letter;
        return (char) ('a' + (letter - 'a' + places) % 26);
    }

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int places = Integer.parseInt(input.nextLine().trim());
        System.out.println(new Main(places).encrypt(input.nextLine()));
    }
}
