use std::collections::HashMap;

struct Solution {}

impl Solution {
    /// For each number, count the earlier ones that complete it.
    pub fn count_pairs(nums: Vec<i32>, target: i32) -> i32 {
        let mut earlier = HashMap::new();
        let mut pairs = 0;
        for number in nums {
            pairs += times_seen(&earlier, target - number);
            *earlier.entry(number).or_insert(0) += 1;
        }
        pairs
    }
}

fn times_seen(earlier: &HashMap<i32, i32>, number: i32) -> i32 {
    earlier.get(&number).copied().unwrap_or(0)
}
