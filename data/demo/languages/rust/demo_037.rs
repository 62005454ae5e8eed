use std::io::{self, Read};
use std::ops::Sub;

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let numbers: Vec<i64> = text.split_whitespace().skip(1).map(|item| item.parse().unwrap()).collect();
    println!("{}", spread(&numbers));
}

/// The largest number minus the smallest.
fn spread<T: Copy + Ord + Sub<Output = T>>(numbers: &[T]) -> T {
    *numbers.iter().max().unwrap() - *numbers.iter().min().unwrap()
}
