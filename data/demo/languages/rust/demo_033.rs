impl Solution {
    /// Add up the numbers, keep every sum on the way.
    pub fn running_totals(nums: Vec<i32>) -> Vec<i32> {
        nums.iter().scan(0, |total, &number| Some(add(total, number))).collect()
    }
}

fn add(total: &mut i32, number: i32) -> i32 {
    *total += number;
    *total
}
