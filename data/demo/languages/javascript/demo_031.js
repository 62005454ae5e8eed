const fs = require('fs');

// The odd numbers up to B, without those below A.
function main() {
    const [a, b] = fs.readFileSync(0, 'utf8').split(' ').map(Number);
    console.log(oddUpTo(b) - oddUpTo(a - 1));
}

// The sum of the odd numbers from 1 to a limit is the square of their number.
function oddUpTo(limit) {
    const count = Math.max(0, Math.floor((limit + 1) / 2));
    return count ** 2;
}

main();
