import java.util.List;

class Solution {
    /** The first of the longest words. */
    public String longestWord(List<String> words) {
        String longest = "";
        for (String word : words) {
            longest = longer(longest, word);
        }
        return longest;
    }

    /** The longer of two words, the first if they are equally long. */
    private String longer(String first, String second) {
        return second.length() > first.length() ? second : first;
    }
}
