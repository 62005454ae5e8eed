/**
 * @param {number[]} heights
 * @return {number}
 */
var largestPoster = function (heights) {
    const rising = [];
    let largest = 0;
    for (let i = 0; i <= heights.length; i++) {
        const height = i < heights.length ? heights[i] : -1;
        while (rising.length && heights[rising.at(-1)] >= height) {
            largest = Math.max(largest, close(heights, rising, i));
        }
        rising.push(i);
    }
    return largest;
};

// The area of the poster as high as the last house of the list, which ends before `end`.
function close(heights, rising, end) {
    const height = heights[rising.pop()];
    const begin = rising.length ? rising.at(-1) + 1 : 0;
    return height * (end - begin);
}
