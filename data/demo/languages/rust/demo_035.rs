use std::io::{self, Read};

const LIMIT: u32 = 100;
const OFF: u32 = 10;

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    println!("{}", discounted(total(&text)));
}

/// What all goods cost together; they begin in the second line.
fn total(text: &str) -> u32 {
    text.lines().skip(1).map(cost).sum()
}

fn cost(line: &str) -> u32 {
    line.split_whitespace().map(|item| item.parse::<u32>().unwrap()).product()
}

fn discounted(total: u32) -> u32 {
    if total >= LIMIT {
        total - OFF
    } else {
        total
    }
}
