use std::io;

fn main() {
    let mut text = String::new();
    io::stdin().read_line(&mut text).unwrap();
    println!("{}", if is_mirror(&letters_of(&text)) { "YES" } else { "NO" });
}

/// All letters, in lowercase.
fn letters_of(text: &str) -> Vec<char> {
    text.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether the letters are the same from both ends.
fn is_mirror(letters: &[char]) -> bool {
    letters.iter().eq(letters.iter().rev())
}
