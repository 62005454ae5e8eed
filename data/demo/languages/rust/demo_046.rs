use std::io::{self, Read};

const MODULUS: u64 = 1_000_000_007;

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let mut numbers = text.split_ascii_whitespace().map(|item| item.parse::<usize>().unwrap());
    let n = numbers.next().unwrap();
    let mut broken = vec![false; n + 1];
    for step in numbers.skip(1) {
        broken[step] = true;
    }
    println!("{}", count_ways(&broken));
}

/// Count the ways to every step from those to the three below it.
fn count_ways(broken: &[bool]) -> u64 {
    let mut ways = vec![0; broken.len()];
    ways[0] = 1;
    for step in 1..broken.len() {
        if !broken[step] {
            ways[step] = ways[step.saturating_sub(3)..step].iter().sum::<u64>() % MODULUS;
        }
    }
    ways[broken.len() - 1]
}
