const fs = require('fs');

// Read the things, print the best value and its weight.
function main() {
    const numbers = fs.readFileSync(0, 'utf8').trim().split(/\s+/).map(Number);
    const [n, limit] = numbers;
    const things = Array.from({ length: n }, (_, i) => ({ weight: numbers[2 + 2 * i], value: numbers[3 + 2 * i] }));
    const { value, weight } = fill(things, limit);
    console.log(value, weight);
}

// The best that fits into a backpack of each size up to the limit, one thing after the other.
function fill(things, limit) {
    const best = Array.from({ length: limit + 1 }, () => ({ value: 0, weight: 0 }));
    for (const thing of things) {
        for (let room = limit; room >= thing.weight; room--) {
            best[room] = better(best[room], add(best[room - thing.weight], thing));
        }
    }
    return best[limit];
}

function add(pack, thing) {
    return { value: pack.value + thing.value, weight: pack.weight + thing.weight };
}

// More value, or as much with less weight.
function better(one, other) {
    if (one.value !== other.value) return one.value > other.value ? one : other;
    return one.weight <= other.weight ? one : other;
}

main();
