use std::io::{self, Read};

type Table = Vec<Vec<String>>;

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let table: Table = text.lines().skip(1).map(|line| line.split_whitespace().map(String::from).collect()).collect();
    println!("{}", spiral(table).join(" "));
}

/// The first row, then the spiral of what is left, turned so that its last column comes first.
fn spiral(mut table: Table) -> Vec<String> {
    let mut order = Vec::new();
    while !table.is_empty() {
        order.extend(table.remove(0));
        table = turned(&table);
    }
    order
}

/// A table turned by a quarter against the clock.
fn turned(table: &Table) -> Table {
    let columns = table.first().map_or(0, |row| row.len());
    (0..columns).rev().map(|column| table.iter().map(|row| row[column].clone()).collect()).collect()
}
