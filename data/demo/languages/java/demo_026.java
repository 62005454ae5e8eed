import java.util.HashSet;
import java.util.Scanner;
import java.util.Set;

public class GuestList {
    private final Set<String> names = new HashSet<>();

    void sign(String name) {
        names.add(name);
    }

    int size() {
        return names.size();
    }

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int n = input.nextInt();
        GuestList list = new GuestList();
        for (int i = 0; i < n; i++) list.sign(input.next());
        System.out.println(list.size());
    }
}
