class Solution {
    // Add up the even numbers.
    public int evenTotal(int[] nums) {
        int total = 0;
        for (int number : nums) {
            if (isEven(number)) {
                total += number;
            }
        }
        return total;
    }

    private static boolean isEven(int number) {
        return number % 2 == 0;
    }
}
