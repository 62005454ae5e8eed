// Add up the numbers, keep every sum on the way.
var runningTotals = function (nums) {
    const add = adder();
    return nums.map(add);
};

// A function that adds a number to all before and returns the sum.
function adder() {
    let total = 0;
    return (number) => (total += number);
}
