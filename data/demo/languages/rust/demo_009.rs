use std::io::{self, Read};

fn main() {
    let days = read_days();
    println!("{}", count_rises(&days));
}

/// Read n and the n temperatures.
fn read_days() -> Vec<i32> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    text.split_whitespace().skip(1).map(|item| item.parse().unwrap()).collect()
}

/// Compare each day with the one before it.
fn count_rises(days: &[i32]) -> usize {
    days.iter().zip(&days[1..]).filter(|(before, day)| day > before).count()
}
