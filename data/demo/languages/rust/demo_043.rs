use std::io;

const NOTES: [u32; 5] = [50, 20, 10, 5, 1];

fn main() {
    println!("{}", count_notes(read_amount()));
}

fn read_amount() -> u32 {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    line.trim().parse().unwrap()
}

/// Take the largest note first.
fn count_notes(amount: u32) -> u32 {
    NOTES.iter().fold((0, amount), |(count, left), note| (count + left / note, left % note)).0
}
