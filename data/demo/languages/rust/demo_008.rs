/// The first of the longest words.
fn longest_word(words: Vec<String>) -> String {
    let mut longest = "";
    for word in &words {
        longest = longer(longest, word);
    }
    longest.to_string()
}

/// The longer of two words, the first if they are equally long.
fn longer<'a>(first: &'a str, second: &'a str) -> &'a str {
    if second.len() > first.len() {
        second
    } else {
        first
    }
}
