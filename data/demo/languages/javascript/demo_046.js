const MODULUS = 1_000_000_007;

// Count the ways to every step from those to the three below it.
function countWays(n, broken) {
    let [third, second, first] = [0, 0, 1];
    for (let step = 1; step <= n; step++) {
        const here = broken.has(step) ? 0 : (first + second + third) % MODULUS;
        [third, second, first] = [second, first, here];
    }
    return first;
}

const [n, b, ...steps] = require('fs').readFileSync(0, 'utf8').trim().split(/\s+/).map(Number);
console.log(countWays(n, new Set(steps.slice(0, b))));
