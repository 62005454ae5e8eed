use std::io;

struct Garden {
    a: u64,
    b: u64,
}

impl Garden {
    fn area(&self) -> u64 {
        self.a * self.b
    }

    fn fence(&self) -> u64 {
        2 * (self.a + self.b)
    }
}

impl std::str::FromStr for Garden {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (a, b) = text.trim().split_once(' ').unwrap();
        Ok(Garden { a: a.parse()?, b: b.parse()? })
    }
}

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let garden: Garden = line.parse().unwrap();
    println!("{} {}", garden.area(), garden.fence());
}
