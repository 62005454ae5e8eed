use std::io;

// Read the number as text, since it has up to 30 digits, and print the sum of its digits.
fn main() {
    let mut number = String::new();
    io::stdin().read_line(&mut number).unwrap();
    println!("{}", digit_sum(number.trim()));
}

// Return the sum of the values of all digits.
fn digit_sum(number: &str) -> u32 {
    number.chars().map(|digit| digit.to_digit(10).unwrap()).sum()
}
