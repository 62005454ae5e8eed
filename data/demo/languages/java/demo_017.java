import java.util.*;
import java.util.stream.*;

public class Main {
    record Entry(String word, long count) {}

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        input.nextInt();
        ranking(words(input)).forEach(entry -> System.out.println(entry.word() + " " + entry.count()));
    }

    // All words that follow.
    static Stream<String> words(Scanner input) {
        return Stream.generate(() -> input).takeWhile(Scanner::hasNext).map(Scanner::next);
    }

    // The more frequent word first, of equal ones the earlier in the alphabet.
    static List<Entry> ranking(Stream<String> words) {
        Map<String, Long> counts = words.collect(Collectors.groupingBy(word -> word, Collectors.counting()));
        return counts.entrySet().stream()
            .map(entry -> new Entry(entry.getKey(), entry.getValue()))
            .sorted(Comparator.comparingLong(Entry::count).reversed().thenComparing(Entry::word))
            .toList();
    }
}
