use std::io;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let mut sides: Vec<u64> = line.split_whitespace().map(|item| item.parse().unwrap()).collect();
    sides.sort_unstable();
    println!("{}", if is_triangle(&sides) { kind(sides) } else { "NONE" });
}

/// Of sorted sides only the last can be too long.
fn is_triangle(sides: &[u64]) -> bool {
    sides[2] < sides[0] + sides[1]
}

/// By how many different sides there are.
fn kind(mut sides: Vec<u64>) -> &'static str {
    sides.dedup();
    ["EQUILATERAL", "ISOSCELES", "SCALENE"][sides.len() - 1]
}
