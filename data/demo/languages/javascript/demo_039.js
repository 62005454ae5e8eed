const VALUES = { I: 1, V: 5, X: 10, L: 50, C: 100, D: 500, M: 1000 };

// Print the smallest and the largest year.
function main() {
    const numerals = require('fs').readFileSync(0, 'utf8').trim().split(/\s+/).slice(1);
    const years = numerals.map(year).sort((a, b) => a - b);
    console.log(years[0], years[years.length - 1]);
}

// Add the letters; one before a greater one is subtracted.
function year(numeral) {
    const values = [...numeral].map((letter) => VALUES[letter]);
    return values.reduce((sum, value, i) => sum + signed(value, values[i + 1]), 0);
}

function signed(value, after = 0) {
    return value < after ? -value : value;
}

main();
