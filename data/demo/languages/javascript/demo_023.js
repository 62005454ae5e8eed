const area = (a, b) => a * b;
const fence = (a, b) => 2 * (a + b);

// Print the area and the fence.
function main() {
    const [a, b] = require('fs').readFileSync(0, 'utf8').trim().split(' ').map(Number);
    console.log(area(a, b), fence(a, b));
}

main();
