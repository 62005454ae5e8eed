const Kind = Object.freeze(['EQUILATERAL', 'ISOSCELES', 'SCALENE']);

// Read the sticks, print what they form.
function main() {
    const sides = require('fs').readFileSync(0, 'utf8').split(' ').map(Number).sort((a, b) => a - b);
    console.log(isTriangle(sides) ? kind(sides) : 'NONE');
}

// Of sorted sides only the last can be too long.
function isTriangle([a, b, c]) {
    return c < a + b;
}

// By how many different sides there are.
function kind(sides) {
    return Kind[new Set(sides).size - 1];
}

main();
