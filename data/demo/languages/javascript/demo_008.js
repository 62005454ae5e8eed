class Solution {
    // The first of the longest words.
    longestWord(words) {
        return words.reduce((first, second) => this.longer(first, second));
    }

    // The longer of two words, the first if they are equally long.
    longer(first, second) {
        return second.length > first.length ? second : first;
    }
}
