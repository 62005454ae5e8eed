/** The second of the different values. */
function runnerUp(nums) {
    const values = different(nums);
    return values.length < 2 ? -1 : values[1];
}

/** The different values, the largest first. */
function different(nums) {
    return [...new Set(nums)].sort((a, b) => b - a);
}
