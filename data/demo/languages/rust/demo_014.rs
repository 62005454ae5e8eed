use std::io::{self, Read};

#[derive(Default)]
struct Robot {
    x: i32,
    y: i32,
}

impl Robot {
    /// Carry out one command.
    fn step(&mut self, direction: &str, distance: i32) {
        match direction {
            "U" => self.y += distance,
            "D" => self.y -= distance,
            "R" => self.x += distance,
            "L" => self.x -= distance,
            _ => unreachable!(),
        }
    }

    /// Distance from the start, along the axes.
    fn distance(&self) -> i32 {
        self.x.abs() + self.y.abs()
    }
}

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let mut words = text.split_whitespace();
    let n: usize = words.next().unwrap().parse().unwrap();
    let mut robot = Robot::default();
    let mut farthest = 0;
    for _ in 0..n {
        let direction = words.next().unwrap();
        robot.step(direction, words.next().unwrap().parse().unwrap());
        farthest = farthest.max(robot.distance());
    }
    println!("{} {}\n{}", robot.x, robot.y, farthest);
}
