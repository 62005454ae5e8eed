const fs = require('fs');

// Every booking takes a boat at a and gives it back at b: the most that are out at once are needed.
function main() {
    const changes = [];
    for (const [a, b] of readBookings()) changes.push([a, 1], [b, -1]);
    changes.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
    console.log(mostAtOnce(changes));
}

// Pairs of numbers, one a line.
function* readBookings() {
    const numbers = fs.readFileSync(0, 'utf8').split(/\s+/).map(Number);
    for (let i = 1; i < 2 * numbers[0]; i += 2) yield [numbers[i], numbers[i + 1]];
}

// The largest running sum.
function mostAtOnce(changes) {
    let now = 0, most = 0;
    for (const [, change] of changes) most = Math.max(most, (now += change));
    return most;
}

main();
