var countPairs = function (nums, target) {
    const earlier = new Map();
    let pairs = 0;
    for (const number of nums) {
        pairs += timesSeen(earlier, target - number);
        earlier.set(number, timesSeen(earlier, number) + 1);
    }
    return pairs;
};

// How often a number came before.
function timesSeen(earlier, number) {
    return earlier.get(number) ?? 0;
}
