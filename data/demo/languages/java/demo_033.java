class Solution {
    private int total = 0;

    public int[] runningTotals(int[] nums) {
        return Arrays.stream(nums).map(this::add).toArray();
    }

    // Add a number; returns the sum so far.
    private int add(int number) {
        return total += number;
    }
}
