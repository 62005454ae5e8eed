import java.io.*;
import java.util.*;

public class Main {
    interface Change { long time(); int by(); }

    record Taken(long time) implements Change { public int by() { return 1; } }

    record Returned(long time) implements Change { public int by() { return -1; } }

    public static void main(String[] args) throws IOException {
        StreamTokenizer input = new StreamTokenizer(new BufferedInputStream(System.in));
        input.nextToken();
        List<Change> changes = new ArrayList<>();
        for (int i = (int) input.nval; i > 0; i--) {
            input.nextToken();
            changes.add(new Taken((long) input.nval));
            input.nextToken();
            changes.add(new Returned((long) input.nval));
        }
        System.out.println(mostAtOnce(changes));
    }

    /** Sorted by time, and what is returned before what is taken, the largest running sum. */
    static int mostAtOnce(List<Change> changes) {
        changes.sort(Comparator.comparingLong(Change::time).thenComparingInt(Change::by));
        int now = 0, most = 0;
        for (Change change : changes) {
            now += change.by();
            most = Math.max(most, now);
        }
        return most;
    }
}
