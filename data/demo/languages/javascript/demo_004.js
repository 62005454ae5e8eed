/**
 * Add up the even numbers.
 * @param {number[]} nums
 * @return {number}
 */
var evenTotal = function (nums) {
    return nums.filter(isEven).reduce((total, number) => total + number, 0);
};

// The rest of a negative even number is -0, which equals 0.
function isEven(number) {
    return number % 2 === 0;
}
