const readline = require('readline');

// Read line by line; when all have come, print the ranking.
async function main() {
    const counts = new Map();
    let first = true;
    for await (const line of readline.createInterface({ input: process.stdin })) {
        if (!first) countWords(line, counts);
        first = false;
    }
    for (const [word, count] of [...counts].sort(compare)) {
        console.log(`${word} ${count}`);
    }
}

// Add the words of a line.
function countWords(line, counts) {
    for (const word of line.split(/\s+/).filter(Boolean)) counts.set(word, (counts.get(word) ?? 0) + 1);
}

// The more frequent word first, of equal ones the earlier in the alphabet.
function compare([left, a], [right, b]) {
    return b - a || (left < right ? -1 : 1);
}

main();
