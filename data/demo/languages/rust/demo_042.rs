use std::collections::HashMap;

impl Solution {
    /// Move the end on; the start jumps behind the last time that the song was played.
    pub fn fresh_stretch(songs: String) -> i32 {
        let mut last = HashMap::new();
        let (mut start, mut longest) = (0, 0);
        for (end, song) in songs.bytes().enumerate() {
            start = start.max(after(&last, song));
            last.insert(song, end);
            longest = longest.max(end + 1 - start);
        }
        longest as i32
    }
}

fn after(last: &HashMap<u8, usize>, song: u8) -> usize {
    last.get(&song).map_or(0, |place| place + 1)
}
