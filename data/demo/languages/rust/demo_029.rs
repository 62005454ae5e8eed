use std::cmp::Reverse;
use std::io::{self, Read};

#[derive(Clone, Copy)]
struct Thing {
    weight: usize,
    value: u32,
}

fn main() {
    let (things, limit) = read_things();
    let (value, weight) = fill(&things, limit);
    println!("{value} {weight}");
}

/// Read the things and how much the backpack carries.
fn read_things() -> (Vec<Thing>, usize) {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let numbers: Vec<usize> = text.split_whitespace().map(|item| item.parse().unwrap()).collect();
    let things = numbers[2..].chunks(2).map(|pair| Thing { weight: pair[0], value: pair[1] as u32 });
    (things.collect(), numbers[1])
}

/// The best value and its weight in a backpack of each size up to the limit, one thing after the other.
fn fill(things: &[Thing], limit: usize) -> (u32, usize) {
    let mut best = vec![(0, Reverse(0)); limit + 1];
    for thing in things {
        for room in (thing.weight..=limit).rev() {
            let (value, Reverse(weight)) = best[room - thing.weight];
            best[room] = best[room].max((value + thing.value, Reverse(weight + thing.weight)));
        }
    }
    (best[limit].0, best[limit].1 .0)
}
