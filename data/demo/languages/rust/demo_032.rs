use std::io;

fn main() {
    let mut word = String::new();
    io::stdin().read_line(&mut word).unwrap();
    let (letter, count) = favourite(&counts(word.trim()));
    println!("{letter} {count}");
}

/// How often each letter occurs.
fn counts(word: &str) -> [usize; 26] {
    let mut counts = [0; 26];
    for letter in word.bytes() {
        counts[(letter - b'a') as usize] += 1;
    }
    counts
}

/// The first letter with the greatest count: of equal ones, max_by_key returns the last.
fn favourite(counts: &[usize]) -> (char, usize) {
    let (place, &count) = counts.iter().enumerate().rev().max_by_key(|(_, &count)| count).unwrap();
    ((b'a' + place as u8) as char, count)
}
