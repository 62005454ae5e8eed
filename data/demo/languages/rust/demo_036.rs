use std::io::{self, BufRead};

/// A map whose lakes are drained as they are measured.
struct Map {
    rows: Vec<Vec<u8>>,
}

impl Map {
    fn read() -> Map {
        let lines = io::stdin().lock().lines().skip(1);
        Map { rows: lines.map(|line| line.unwrap().trim().bytes().collect()).collect() }
    }

    /// Turn a lake to land, field by field, and return its size.
    fn drain(&mut self, row: usize, column: usize) -> usize {
        match self.rows.get_mut(row).and_then(|fields| fields.get_mut(column)) {
            Some(field) if *field == b'#' => *field = b'.',
            _ => return 0,
        }
        1 + self.drain(row.wrapping_sub(1), column)
            + self.drain(row + 1, column)
            + self.drain(row, column.wrapping_sub(1))
            + self.drain(row, column + 1)
    }
}

fn main() {
    let mut map = Map::read();
    let mut sizes = Vec::new();
    for row in 0..map.rows.len() {
        for column in 0..map.rows[row].len() {
            sizes.push(map.drain(row, column));
        }
    }
    let lakes = sizes.iter().filter(|&&size| size > 0).count();
    println!("{} {}", lakes, sizes.iter().max().unwrap());
}
