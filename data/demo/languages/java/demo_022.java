package clock;

import java.util.Scanner;

public final class Clock {
    private final int seconds;

    private Clock(int seconds) { this.seconds = seconds; }

    @Override
    public String toString() {
        return String.format("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

    public static void main(String[] args) {
        System.out.println(new Clock(new Scanner(System.in).nextInt()));
    }
}
