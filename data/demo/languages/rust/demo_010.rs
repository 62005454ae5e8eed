use std::io;

/// Keeps the closing brackets that are still to come.
#[derive(Default)]
struct Matcher {
    open: Vec<char>,
}

impl Matcher {
    /// Take one bracket; false if it closes what is not open.
    fn take(&mut self, bracket: char) -> bool {
        let closing = match bracket {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            _ => return self.open.pop() == Some(bracket),
        };
        self.open.push(closing);
        true
    }

    /// Whether everything is closed.
    fn done(&self) -> bool {
        self.open.is_empty()
    }
}

fn main() {
    let mut text = String::new();
    io::stdin().read_line(&mut text).unwrap();
    let mut matcher = Matcher::default();
    let fits = text.trim().chars().all(|bracket| matcher.take(bracket));
    println!("{}", if fits && matcher.done() { "YES" } else { "NO" });
}
