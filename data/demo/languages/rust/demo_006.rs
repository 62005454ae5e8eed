use std::io::{self, BufRead};

fn main() {
    let lines: Vec<String> = io::stdin().lock().lines().map(Result::unwrap).collect();
    println!("{}", count_above(&numbers(&lines[1])));
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<usize> {
    line.split_whitespace().map(|item| item.parse().unwrap()).collect()
}

/// Count the scores above the average, without dividing.
fn count_above(scores: &[usize]) -> usize {
    let sum: usize = scores.iter().sum();
    scores.iter().filter(|&score| score * scores.len() > sum).count()
}
