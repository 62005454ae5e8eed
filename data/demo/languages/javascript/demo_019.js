const readline = require('readline');

const square = (number) => number ** 2;

const sumOfSquares = (numbers) => numbers.map(square).reduce((a, b) => a + b);

const lines = [];
readline
    .createInterface({ input: process.stdin })
    .on('line', (line) => lines.push(line))
    .on('close', () => console.log(sumOfSquares(lines[1].split(' ').map(Number))));
