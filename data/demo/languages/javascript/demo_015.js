const fs = require('fs');

function main() {
    const [[rows, columns], ...map] = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => line.split(' ').map(Number));
    const heights = [...new Set(map.flat())].sort((a, b) => a - b);
    let low = 0;
    let high = heights.length - 1;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (canPass(map, rows, columns, heights[middle])) high = middle;
        else low = middle + 1;
    }
    console.log(heights[low]);
}

// Whether there is a way on which no field is higher than a limit.
function canPass(map, rows, columns, limit) {
    const seen = new Set();
    const open = map[0][0] <= limit ? [[0, 0]] : [];
    while (open.length > 0) {
        const [row, column] = open.pop();
        if (row === rows - 1 && column === columns - 1) return true;
        for (const [r, c] of neighbours(row, column)) {
            if (map[r]?.[c] <= limit && !seen.has(r * columns + c)) {
                seen.add(r * columns + c);
                open.push([r, c]);
            }
        }
    }
    return false;
}

// The fields around one; some may lie outside of the map.
function* neighbours(row, column) {
    yield [row + 1, column];
    yield [row - 1, column];
    yield [row, column + 1];
    yield [row, column - 1];
}

main();
