class Solution {
    public int countPairs(int[] nums, int target) {
        int pairs = 0;
        for (int i = 0; i < nums.length; i++) {
            pairs += partners(nums, i, target - nums[i]);
        }
        return pairs;
    }

    /** How often a number stands after position i. */
    private int partners(int[] nums, int i, int number) {
        int found = 0;
        for (int j = i + 1; j < nums.length; j++) {
            if (nums[j] == number) found++;
        }
        return found;
    }
}
