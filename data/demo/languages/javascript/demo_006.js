// Read n and the n scores.
function readScores() {
    const [n, ...scores] = require('fs').readFileSync(0, 'utf8').trim().split(/\s+/).map(Number);
    return scores.slice(0, n);
}

// Count the scores above the average, without dividing.
function countAbove(scores) {
    const sum = scores.reduce((a, b) => a + b, 0);
    return scores.filter((score) => score * scores.length > sum).length;
}

console.log(countAbove(readScores()));
