use std::collections::HashMap;
use std::io::{self, BufRead};

fn main() {
    let stdin = io::stdin();
    let counts = count_words(stdin.lock().lines().skip(1).map(|line| line.unwrap()));
    for (word, count) in ranking(counts) {
        println!("{} {}", word, count);
    }
}

/// Count every word of these lines.
fn count_words<I>(lines: I) -> HashMap<String, usize>
where
    I: Iterator<Item = String>,
{
    let mut counts = HashMap::new();
    for line in lines {
        for word in line.split_whitespace() {
            *counts.entry(word.to_string()).or_insert(0) += 1;
        }
    }
    counts
}

/// The more frequent word first, of equal ones the earlier in the alphabet.
fn ranking(counts: HashMap<String, usize>) -> Vec<(String, usize)> {
    let mut entries: Vec<_> = counts.into_iter().collect();
    entries.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    entries
}
