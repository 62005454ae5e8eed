import java.util.*;

class Solution {
    private final Set<Character> playing = new HashSet<>();

    /** Let songs go from the start until the next one is new. */
    public int freshStretch(String songs) {
        int start = 0;
        int longest = 0;
        for (char song : songs.toCharArray()) {
            while (!playing.add(song)) drop(songs.charAt(start++));
            longest = Math.max(longest, playing.size());
        }
        return longest;
    }

    private void drop(char song) {
        playing.remove(song);
    }
}
