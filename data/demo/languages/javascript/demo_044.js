const fs = require('fs');

function main() {
    const [n, k] = fs.readFileSync(0, 'utf8').split(' ').map(Number);
    console.log([...leavingOrder(n, k)].join(' '));
}

// Count from where the last child left; the circle is a list that wraps around.
function* leavingOrder(n, k) {
    const circle = circleOf(n);
    let at = 0;
    while (circle.length) {
        at = (at + k - 1) % circle.length;
        yield circle.splice(at, 1)[0];
    }
}

function circleOf(n) {
    return Array.from({ length: n }, (_, i) => i + 1);
}

main();
