use std::io::{self, Read};

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let numbers: Vec<usize> = text.split_whitespace().map(|item| item.parse().unwrap()).collect();
    match fewest(&numbers[2..2 + numbers[0]], numbers[1]) {
        Some(count) => println!("{}", count),
        None => println!("-1"),
    }
}

/// The fewest coins of every amount, from those of smaller amounts.
fn fewest(coins: &[usize], amount: usize) -> Option<usize> {
    let mut best: Vec<Option<usize>> = vec![None; amount + 1];
    best[0] = Some(0);
    for paid in 1..=amount {
        best[paid] = coins
            .iter()
            .filter(|&&coin| coin <= paid)
            .filter_map(|&coin| best[paid - coin])
            .min()
            .map(|count| count + 1);
    }
    best[amount]
}
