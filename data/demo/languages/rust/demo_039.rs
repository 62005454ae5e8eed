use std::io::{self, BufRead};

fn main() {
    let years: Vec<i32> = io::stdin().lock().lines().skip(1).map(|line| year(line.unwrap().trim())).collect();
    println!("{} {}", years.iter().min().unwrap(), years.iter().max().unwrap());
}

/// From the end: a letter smaller than the one after it is subtracted.
fn year(numeral: &str) -> i32 {
    let (mut sum, mut after) = (0, 0);
    for letter in numeral.chars().rev() {
        let worth = value(letter);
        sum += if worth < after { -worth } else { worth };
        after = worth;
    }
    sum
}

fn value(letter: char) -> i32 {
    match letter {
        'I' => 1,
        'V' => 5,
        'X' => 10,
        'L' => 50,
        'C' => 100,
        'D' => 500,
        'M' => 1000,
        _ => 0,
    }
}
