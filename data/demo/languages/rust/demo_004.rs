impl Solution {
    /// Add up the even numbers.
    pub fn even_total(nums: Vec<i32>) -> i32 {
        nums.into_iter().filter(Self::is_even).sum()
    }

    fn is_even(number: &i32) -> bool {
        number % 2 == 0
    }
}
