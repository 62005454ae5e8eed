import java.io.*;
import java.util.StringTokenizer;

public class WarmerDays {
    public static void main(String[] args) throws IOException {
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        reader.readLine();
        System.out.println(countRises(new StringTokenizer(reader.readLine())));
    }

    // Compare each day with the one before it.
    private static int countRises(StringTokenizer days) {
        int rises = 0;
        int before = next(days);
        while (days.hasMoreTokens()) {
            int day = next(days);
            if (day > before) rises++;
            before = day;
        }
        return rises;
    }

    private static int next(StringTokenizer days) {
        return Integer.parseInt(days.nextToken());
    }
}
