import java.util.TreeSet;

class Solution {
    // The second of the different values.
    public int runnerUp(int[] nums) {
        TreeSet<Integer> values = different(nums);
        values.pollLast();
        return values.isEmpty() ? -1 : values.last();
    }

    private TreeSet<Integer> different(int[] nums) {
        TreeSet<Integer> values = new TreeSet<>();
        for (int number : nums) values.add(number);
        return values;
    }
}
