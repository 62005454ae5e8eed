impl Solution {
    /// Each column, read from bottom to top, becomes a row.
    pub fn turn_grid(grid: Vec<Vec<i32>>) -> Vec<Vec<i32>> {
        (0..grid[0].len()).map(|column| upwards(&grid, column)).collect()
    }
}

fn upwards(grid: &[Vec<i32>], column: usize) -> Vec<i32> {
    grid.iter().rev().map(|row| row[column]).collect()
}
