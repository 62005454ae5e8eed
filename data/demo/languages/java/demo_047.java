class Solution {
    // A poster as high as house i goes as far as no lower house stands, to both sides.
    public int largestPoster(int[] heights) {
        int[] left = firstLower(heights, 0, 1);
        int[] right = firstLower(heights, heights.length - 1, -1);
        int largest = 0;
        for (int i = 0; i < heights.length; i++) {
            largest = Math.max(largest, heights[i] * (right[i] - left[i] - 1));
        }
        return largest;
    }

    // For each house the nearest lower one in the direction from which we come; -1 or n if there is none.
    private int[] firstLower(int[] heights, int from, int step) {
        int[] lower = new int[heights.length];
        for (int i = from; i >= 0 && i < heights.length; i += step) {
            int before = i - step;
            while (before >= 0 && before < heights.length && heights[before] >= heights[i]) before = lower[before];
            lower[i] = before;
        }
        return lower;
    }
}
