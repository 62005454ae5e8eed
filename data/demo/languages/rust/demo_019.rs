use std::io::{self, Read};

macro_rules! square {
    ($x:expr) => {
        $x * $x
    };
}

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    println!("{}", sum_of_squares(text.split_whitespace().skip(1)));
}

/// Add up the squares of numbers in decimal.
fn sum_of_squares<'a>(numbers: impl Iterator<Item = &'a str>) -> i64 {
    numbers.map(|item| item.parse::<i64>().unwrap()).map(|number| square!(number)).sum()
}
