const [head, ...rows] = require('fs').readFileSync(0, 'utf8').trim().split('\n');
const map = rows.map((row) => [...row.trim()]);

// Turn a lake to land, field by field, and return its size.
function drain(row, column) {
    if (map[row]?.[column] !== '#') return 0;
    map[row][column] = '.';
    return 1 + drain(row - 1, column) + drain(row + 1, column) + drain(row, column - 1) + drain(row, column + 1);
}

// The sizes of all lakes that are still there.
function measure([height, width]) {
    const sizes = [];
    for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) sizes.push(drain(row, column));
    }
    return sizes.filter((size) => size > 0);
}

const sizes = measure(head.split(' ').map(Number));
console.log(sizes.length, Math.max(0, ...sizes));
