use std::io;

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().map(|item| item.parse().unwrap()).collect();
    println!("{}", in_base(numbers[0], numbers[1]));
}

/// All digits but the last, then the last.
fn in_base(number: u64, base: u64) -> String {
    let last = DIGITS[(number % base) as usize] as char;
    if number < base {
        last.to_string()
    } else {
        format!("{}{}", in_base(number / base, base), last)
    }
}
