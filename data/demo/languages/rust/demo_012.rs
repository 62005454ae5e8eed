struct Solution;

impl Solution {
    /// Sort by the first day; a span that begins before the last one ends makes it longer.
    pub fn merge_bookings(mut bookings: Vec<Vec<i32>>) -> Vec<Vec<i32>> {
        bookings.sort();
        let mut merged: Vec<Vec<i32>> = Vec::new();
        for span in bookings {
            match merged.last_mut() {
                Some(before) if Self::share_a_day(before, &span) => before[1] = before[1].max(span[1]),
                _ => merged.push(span),
            }
        }
        merged
    }

    /// Whether the later span begins before the earlier one is over.
    fn share_a_day(earlier: &[i32], later: &[i32]) -> bool {
        later[0] <= earlier[1]
    }
}
