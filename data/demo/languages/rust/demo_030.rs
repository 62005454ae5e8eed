use std::io;
use std::iter;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    println!("{}", steps(line.trim().parse().unwrap()));
}

/// How many numbers there are before 1.
fn steps(number: u64) -> usize {
    iter::successors(Some(number), |&number| Some(next(number))).take_while(|&number| number != 1).count()
}

fn next(number: u64) -> u64 {
    if number % 2 == 0 {
        number / 2
    } else {
        3 * number + 1
    }
}
