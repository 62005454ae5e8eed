use std::io;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let name: String = line.split_whitespace().filter_map(initial).collect();
    println!("{name}");
}

/// The uppercase first letter of a word, nothing for a short one.
fn initial(word: &str) -> Option<char> {
    if word.len() < 3 {
        return None;
    }
    word.chars().next().map(|letter| letter.to_ascii_uppercase())
}
