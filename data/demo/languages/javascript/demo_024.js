function main() {
    const [, ...table] = require('fs').readFileSync(0, 'utf8').trim().split('\n').map((line) => line.trim().split(' '));
    console.log(spiral(table).join(' '));
}

// The first row, then the spiral of what is left, turned so that its last column comes first.
function spiral(table) {
    if (table.length === 0) return [];
    const [first, ...rest] = table;
    return first.concat(spiral(turned(rest)));
}

// A table turned by a quarter against the clock.
function turned(table) {
    if (table.length === 0) return [];
    return table[0].map((_, column) => table.map((row) => row[row.length - 1 - column]));
}

main();
