use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read};

type Map = Vec<Vec<u32>>;

fn main() {
    println!("{}", lowest_pass(&read_map()).unwrap());
}

/// Read R, C and the heights.
fn read_map() -> Map {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(|line| line.split_whitespace().map(|item| item.parse().unwrap()).collect()).collect()
}

/// Take the place with the lowest way first, until the last field is reached.
fn lowest_pass(map: &Map) -> Option<u32> {
    let mut seen = vec![vec![false; map[0].len()]; map.len()];
    let mut open = BinaryHeap::from([Reverse((map[0][0], 0, 0))]);
    while let Some(Reverse((highest, row, column))) = open.pop() {
        if row == map.len() - 1 && column == map[0].len() - 1 {
            return Some(highest);
        }
        if std::mem::replace(&mut seen[row][column], true) {
            continue;
        }
        for (r, c) in neighbours(row, column) {
            if let Some(&height) = map.get(r).and_then(|line| line.get(c)) {
                open.push(Reverse((highest.max(height), r, c)));
            }
        }
    }
    None
}

/// The fields around one; what would be below 0 lies outside of every map.
fn neighbours(row: usize, column: usize) -> [(usize, usize); 4] {
    [(row + 1, column), (row.wrapping_sub(1), column), (row, column + 1), (row, column.wrapping_sub(1))]
}
