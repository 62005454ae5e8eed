use std::io::{self, Read};

fn main() {
    let posts = read_posts();
    println!("{}", widest_gap(&posts));
}

/// Read n and the n positions.
fn read_posts() -> Vec<i64> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    text.split_whitespace().skip(1).map(|item| item.parse().unwrap()).collect()
}

/// Return the largest distance between two neighbours.
fn widest_gap(posts: &[i64]) -> i64 {
    posts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}
