import java.util.*;

public class Main {
    public static void main(String[] args) {
        System.out.println(String.join(" * ", factors(new Scanner(System.in).nextLong())));
    }

    // Divide by every candidate as often as it goes; what is left above 1 is a prime.
    static List<String> factors(long n) {
        List<String> found = new ArrayList<>();
        for (long prime = 2; prime * prime <= n; prime++) {
            int times = 0;
            for (; n % prime == 0; n /= prime) times++;
            if (times > 0) found.add(power(prime, times));
        }
        if (n > 1) found.add(power(n, 1));
        return found;
    }

    static String power(long prime, int times) { return times == 1 ? "" + prime : prime + "^" + times; }
}
