const lines = require('fs').readFileSync(0, 'utf8').split('\n');

/** Compare each day with the one before it. */
function countRises(days) {
    return days.filter((day, i) => i > 0 && day > days[i - 1]).length;
}

/** The numbers of a line. */
function numbers(line) {
    return line.trim().split(' ').map((item) => parseInt(item, 10));
}

console.log(countRises(numbers(lines[1])));
