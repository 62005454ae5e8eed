class Solution {
    // Move the end on; the start jumps behind the last time that the song was played.
    freshStretch(songs) {
        const last = new Map();
        let start = 0;
        let longest = 0;
        [...songs].forEach((song, end) => {
            start = Math.max(start, this.after(last, song));
            last.set(song, end);
            longest = Math.max(longest, end - start + 1);
        });
        return longest;
    }

    after(last, song) {
        return last.has(song) ? last.get(song) + 1 : 0;
    }
}
