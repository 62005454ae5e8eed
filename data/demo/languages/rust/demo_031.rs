use std::io;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let limits: Vec<u64> = line.split_whitespace().map(|item| item.parse().unwrap()).collect();
    println!("{}", odd_sum(limits[0], limits[1]));
}

/// The sum of the odd numbers from one limit to the other.
fn odd_sum(first: u64, last: u64) -> u64 {
    (first..=last).filter(is_odd).sum()
}

fn is_odd(number: &u64) -> bool {
    number % 2 == 1
}
