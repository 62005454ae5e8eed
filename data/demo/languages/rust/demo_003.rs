use std::io::{self, Read};

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    println!("{}", backward(&text));
}

/// The words in the opposite order.
fn backward(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().rev().collect();
    join(&words)
}

fn join(words: &[&str]) -> String {
    words.join(" ")
}
