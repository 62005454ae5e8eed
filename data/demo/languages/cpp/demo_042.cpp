class Solution {
public:
    // Move the end on; the start jumps behind the last time that the song was played.
    int freshStretch(string songs) {
        vector<int> last(128, -1);
        int start = 0, longest = 0;
        for (int end = 0; end < (int)songs.size(); end++) {
            start = max(start, after(last, songs[end]));
            last[songs[end]] = end;
            longest = max(longest, end - start + 1);
        }
        return longest;
    }

private:
    int after(const vector<int>& last, char song) { return last[song] + 1; }
};
