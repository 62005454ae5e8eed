use std::io;

macro_rules! joined {
    ($list:expr) => {
        $list.join(" * ")
    };
}

fn main() {
    let mut text = String::new();
    io::stdin().read_line(&mut text).unwrap();
    println!("{}", joined!(factors(text.trim().parse().unwrap())));
}

/// Divide by every candidate as often as it goes; what is left above 1 is a prime.
fn factors(mut n: u64) -> Vec<String> {
    let mut found = vec![];
    let mut prime = 2;
    while prime * prime <= n {
        let mut times = 0;
        while n % prime == 0 {
            n /= prime;
            times += 1;
        }
        if times > 0 {
            found.push(power(prime, times));
        }
        prime += 1;
    }
    if n > 1 {
        found.push(power(n, 1));
    }
    found
}

/// How one prime stands in the product.
fn power(prime: u64, times: u32) -> String {
    if times == 1 { prime.to_string() } else { format!("{}^{}", prime, times) }
}
