import java.util.*;

class Words {
    private final List<String> words;

    Words(String line) {
        words = new ArrayList<>(Arrays.asList(line.trim().split("\\s+")));
    }

    /** The words in the opposite order. */
    String backward() {
        Collections.reverse(words);
        return String.join(" ", words);
    }
}

public class Backward {
    public static void main(String[] args) {
        System.out.println(new Words(new Scanner(System.in).nextLine()).backward());
    }
}
