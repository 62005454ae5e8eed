import java.util.*;

public class Main {
    enum Kind { EQUILATERAL, ISOSCELES, SCALENE, NONE }

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        long[] sides = {input.nextLong(), input.nextLong(), input.nextLong()};
        Arrays.sort(sides);
        System.out.println(isTriangle(sides) ? kind(sides) : Kind.NONE);
    }

    // Of sorted sides only the last can be too long.
    static boolean isTriangle(long[] sides) {
        return sides[2] < sides[0] + sides[1];
    }

    static Kind kind(long[] sides) {
        Set<Long> different = new HashSet<>();
        for (long side : sides) different.add(side);
        return Kind.values()[different.size() - 1];
    }
}
