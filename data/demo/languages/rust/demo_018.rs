use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read};

fn main() {
    let numbers = read_numbers();
    let (n, m) = (numbers[0], numbers[1]);
    let rules: Vec<(usize, usize)> = numbers[2..2 + 2 * m].chunks(2).map(|rule| (rule[0], rule[1])).collect();
    let order = smallest_order(n, &rules);
    if order.len() < n {
        println!("IMPOSSIBLE");
        return;
    }
    let words: Vec<String> = order.iter().map(|task| task.to_string()).collect();
    println!("{}", words.join(" "));
}

fn read_numbers() -> Vec<usize> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    text.split_whitespace().map(|item| item.parse().unwrap()).collect()
}

/// Of the tasks that wait for nothing, always take the smallest; what is in a circle never comes.
fn smallest_order(n: usize, rules: &[(usize, usize)]) -> Vec<usize> {
    let mut after = vec![Vec::new(); n + 1];
    let mut waits_for = vec![0; n + 1];
    for &(a, b) in rules {
        after[a].push(b);
        waits_for[b] += 1;
    }
    let mut ready: BinaryHeap<_> = (1..=n).filter(|&task| waits_for[task] == 0).map(Reverse).collect();
    let mut order = Vec::new();
    while let Some(Reverse(task)) = ready.pop() {
        order.push(task);
        for &next in &after[task] {
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    order
}
