use std::fmt;

struct Clock(u32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60, self.0 % 60)
    }
}

fn main() {
    let mut text = String::new();
    std::io::stdin().read_line(&mut text).unwrap();
    println!("{}", Clock(text.trim().parse().unwrap()));
}
