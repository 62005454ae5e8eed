// Count the numbers before 1.
function steps(number) {
    let count = 0;
    for (const _ of chain(number)) count++;
    return count;
}

function* chain(number) {
    while (number !== 1) {
        yield number;
        number = number % 2 === 0 ? number / 2 : 3 * number + 1;
    }
}

console.log(steps(parseInt(require('fs').readFileSync(0, 'utf8'), 10)));
