import java.util.*;

class Solution {
    /** Return the largest distance between two neighbours. */
    int widestGap(int[] posts) {
        int widest = 0;
        for (int i = 1; i < posts.length; i++) widest = Math.max(widest, posts[i] - posts[i - 1]);
        return widest;
    }
}

public class Main {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int[] posts = new int[input.nextInt()];
        Arrays.setAll(posts, i -> input.nextInt());
        System.out.println(new Solution().widestGap(posts));
    }
}
