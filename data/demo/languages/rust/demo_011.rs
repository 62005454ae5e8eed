use std::io;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let numbers: Vec<u32> = line.split_whitespace().map(|item| item.parse().unwrap()).collect();
    let [limit, a, b] = numbers[..] else { panic!("three numbers") };
    println!("{}", (1..=limit).filter(|number| either_divides(*number, a, b)).count());
}

/// Whether a or b divides a number.
fn either_divides(number: u32, a: u32, b: u32) -> bool {
    number % a == 0 || number % b == 0
}
