const fs = require('fs');

// Print how many numbers up to the limit a or b divides.
function main() {
    const [limit, a, b] = fs.readFileSync(0, 'utf8').split(' ').map(Number);
    const common = (a * b) / gcd(a, b);
    console.log(multiples(limit, a) + multiples(limit, b) - multiples(limit, common));
}

// How many numbers up to a limit a divisor divides.
function multiples(limit, divisor) {
    return Math.floor(limit / divisor);
}

// The greatest common divisor.
function gcd(a, b) {
    return b === 0 ? a : gcd(b, a % b);
}

main();
