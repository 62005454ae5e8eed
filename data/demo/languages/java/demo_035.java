import java.util.Scanner;

public class Bill {
    static final int LIMIT = 100;
    static final int OFF = 10;

    public static void main(String[] args) {
        System.out.println(discounted(total(new Scanner(System.in))));
    }

    // What all goods cost together.
    static int total(Scanner goods) {
        int total = 0;
        for (int n = goods.nextInt(); n > 0; n--) {
            total += goods.nextInt() * goods.nextInt();
        }
        return total;
    }

    static int discounted(int total) {
        return total >= LIMIT ? total - OFF : total;
    }
}
