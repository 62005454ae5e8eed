use std::io::{self, Read};

mod words {
    pub struct Costs {
        pub insert: u64,
        pub remove: u64,
        pub replace: u64,
    }

    /// The edit distance, row by row of the table of beginnings of both words.
    pub fn repair(from: &[u8], to: &[u8], costs: &Costs) -> u64 {
        let mut row: Vec<u64> = (0..=to.len() as u64).map(|j| j * costs.insert).collect();
        for (i, a) in from.iter().enumerate() {
            let mut next = vec![(i as u64 + 1) * costs.remove];
            for (j, b) in to.iter().enumerate() {
                let same = row[j] + if a == b { 0 } else { costs.replace };
                next.push(same.min(row[j + 1] + costs.remove).min(next[j] + costs.insert));
            }
            row = next;
        }
        row[to.len()]
    }
}

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let items: Vec<&str> = text.split_whitespace().collect();
    let cost = |index: usize| items[index].parse::<u64>().unwrap();
    let costs = words::Costs { insert: cost(0), remove: cost(1), replace: cost(2) };
    println!("{}", words::repair(items[3].as_bytes(), items[4].as_bytes(), &costs));
}
