import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Scanner;

class Matcher {
    private final Deque<Character> open = new ArrayDeque<>();

    // Take one bracket; false if it closes what is not open.
    boolean take(char bracket) {
        int kind = "([{".indexOf(bracket);
        if (kind >= 0) {
            open.push(")]}".charAt(kind));
            return true;
        }
        return !open.isEmpty() && open.pop() == bracket;
    }

    boolean done() {
        return open.isEmpty();
    }
}

class Brackets {
    public static void main(String... args) {
        Matcher matcher = new Matcher();
        for (char bracket : new Scanner(System.in).next().toCharArray()) {
            if (!matcher.take(bracket)) {
                System.out.println("NO");
                return;
            }
        }
        System.out.println(matcher.done() ? "YES" : "NO");
    }
}
