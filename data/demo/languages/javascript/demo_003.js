const readWords = () => require('fs').readFileSync(0, 'utf8').trim().split(/\s+/);

const backward = (words) => words.reduce((done, word) => [word, ...done], []);

console.log(backward(readWords()).join(' '));
