const lines = require('fs').readFileSync(0, 'utf8').split('\n').map((line) => line.trim());

// The edit distance, row by row of the table of beginnings of both words.
const repair = function (from, to, [insert, remove, replace]) {
    let row = Array.from({ length: to.length + 1 }, (_, j) => j * insert);
    for (let i = 1; i <= from.length; i++) {
        const next = [i * remove];
        for (let j = 1; j <= to.length; j++) {
            const same = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : replace);
            next.push(Math.min(same, row[j] + remove, next[j - 1] + insert));
        }
        row = next;
    }
    return row[to.length];
};

console.log(repair(lines[1], lines[2], lines[0].split(' ').map(Number)));
