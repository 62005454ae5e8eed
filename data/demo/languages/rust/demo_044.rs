use std::collections::VecDeque;
use std::io;

fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let numbers: Vec<usize> = line.split_whitespace().map(|item| item.parse().unwrap()).collect();
    let order: Vec<String> = leaving_order(numbers[0], numbers[1]).iter().map(|child| child.to_string()).collect();
    println!("{}", order.join(" "));
}

/// Turn the circle so that the child that leaves stands in front.
fn leaving_order(n: usize, k: usize) -> Vec<usize> {
    let mut circle: VecDeque<usize> = (1..=n).collect();
    let mut order = Vec::with_capacity(n);
    while let Some(child) = leave(&mut circle, k) {
        order.push(child);
    }
    order
}

fn leave(circle: &mut VecDeque<usize>, k: usize) -> Option<usize> {
    if !circle.is_empty() {
        circle.rotate_left((k - 1) % circle.len());
    }
    circle.pop_front()
}
