use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let mut out = io::stdout().lock();
    for number in 1..=line.trim().parse::<u32>().unwrap() {
        writeln!(out, "{}", call(number))?;
    }
    Ok(())
}

/// What stands for a number.
fn call(number: u32) -> String {
    match (number % 4, number % 6) {
        (0, 0) => "ping pong".into(),
        (0, _) => "ping".into(),
        (_, 0) => "pong".into(),
        _ => number.to_string(),
    }
}
