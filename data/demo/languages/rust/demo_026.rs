use std::collections::HashSet;
use std::io::{self, BufRead};

struct GuestList {
    names: HashSet<String>,
}

impl GuestList {
    fn new() -> Self {
        GuestList { names: HashSet::new() }
    }

    /// Write down one name.
    fn sign(&mut self, name: String) {
        self.names.insert(name);
    }
}

fn main() {
    let mut list = GuestList::new();
    for line in io::stdin().lock().lines().skip(1) {
        list.sign(line.unwrap());
    }
    println!("{}", list.names.len());
}
