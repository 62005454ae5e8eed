class Solution {
    // Sort by the first day; a span that begins before the last one ends makes it longer.
    public int[][] mergeBookings(int[][] bookings) {
        Arrays.sort(bookings, (left, right) -> Integer.compare(left[0], right[0]));
        Deque<int[]> merged = new ArrayDeque<>();
        for (int[] span : bookings) {
            if (!merged.isEmpty() && shareADay(merged.getLast(), span)) {
                merged.getLast()[1] = Math.max(merged.getLast()[1], span[1]);
            } else {
                merged.addLast(span.clone());
            }
        }
        return merged.toArray(new int[0][]);
    }

    // Whether the later span begins before the earlier one is over.
    private boolean shareADay(int[] earlier, int[] later) {
        return later[0] <= earlier[1];
    }
}
