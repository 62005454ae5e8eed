use std::io;

fn main() {
    let mut text = String::new();
    io::stdin().read_line(&mut text).unwrap();
    println!("{}", count_vowels(&text));
}

/// Count the letters that are vowels.
fn count_vowels(text: &str) -> usize {
    text.chars().filter(|&letter| is_vowel(letter)).count()
}

/// Whether a letter is one of a, e, i, o, u.
fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u')
}
