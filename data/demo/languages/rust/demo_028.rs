use std::io::{self, Read};

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let times: Vec<i64> = text.split_whitespace().skip(1).map(|item| item.parse().unwrap()).collect();
    let mut changes: Vec<(i64, i64)> = times.iter().enumerate().map(|(i, &time)| (time, if i % 2 == 0 { 1 } else { -1 })).collect();
    println!("{}", most_at_once(&mut changes));
}

/// Sorted by time, and what gives back before what takes, the largest running sum.
fn most_at_once(changes: &mut Vec<(i64, i64)>) -> i64 {
    changes.sort_unstable();
    changes
        .iter()
        .scan(0, |now, &(_, change)| {
            *now += change;
            Some(*now)
        })
        .max()
        .unwrap_or(0)
}
