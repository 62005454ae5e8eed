impl Solution {
    /// Keep the houses whose posters may still go on, lower ones below.
    pub fn largest_poster(heights: Vec<i32>) -> i32 {
        let mut rising: Vec<usize> = Vec::new();
        let mut largest = 0;
        for end in 0..=heights.len() {
            let height = heights.get(end).copied().unwrap_or(-1);
            while let Some(&top) = rising.last() {
                if heights[top] < height {
                    break;
                }
                rising.pop();
                largest = largest.max(heights[top] * width(&rising, end));
            }
            rising.push(end);
        }
        largest
    }
}

/// How many houses lie between the last of the list and the end.
fn width(rising: &[usize], end: usize) -> i32 {
    let begin = rising.last().map_or(0, |&before| before + 1);
    (end - begin) as i32
}
