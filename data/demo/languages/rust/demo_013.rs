use std::io::{self, BufRead};

fn main() {
    let stdin = io::stdin();
    let mut lines = stdin.lock().lines();
    let places: u32 = lines.next().unwrap().unwrap().trim().parse().unwrap();
    println!("{}", encrypt(&lines.next().unwrap().unwrap(), places));
}

/// Shift every letter of a message.
fn encrypt(message: &str, places: u32) -> String {
    message.chars().map(|letter| shifted(letter, places)).collect()
}

/// Shift one letter; other characters stay.
fn shifted(letter: char, places: u32) -> char {
    if !letter.is_ascii_lowercase() {
        return letter;
    }
    let place = (letter as u32 - 'a' as u32 + places) % 26;
    (b'a' + place as u8) as char
}
