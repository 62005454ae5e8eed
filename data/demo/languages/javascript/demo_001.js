// Read the number as text and print the sum of its digits.
function main() {
    const text = require('fs').readFileSync(0, 'utf8').trim();
    console.log(digitSum(text));
}

// Return the sum of the values of all digits.
function digitSum(text) {
    return [...text].reduce((sum, digit) => sum + Number(digit), 0);
}

main();
