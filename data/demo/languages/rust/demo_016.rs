use std::collections::BTreeSet;

impl Solution {
    /// The second of the different values.
    pub fn runner_up(nums: Vec<i32>) -> i32 {
        different(&nums).into_iter().rev().nth(1).unwrap_or(-1)
    }
}

fn different(nums: &[i32]) -> BTreeSet<i32> {
    nums.iter().copied().collect()
}
