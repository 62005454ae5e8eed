const PAIRS = { '(': ')', '[': ']', '{': '}' };

// Keeps the closing brackets that are still to come.
class Matcher {
    #open = [];

    // Take one bracket; false if it closes what is not open.
    take(bracket) {
        if (bracket in PAIRS) {
            this.#open.push(PAIRS[bracket]);
            return true;
        }
        return this.#open.pop() === bracket;
    }

    // Whether everything is closed.
    get done() {
        return this.#open.length === 0;
    }
}

// Feed the brackets to a matcher one by one.
function main() {
    const matcher = new Matcher();
    const text = require('fs').readFileSync(0, 'utf8').trim();
    console.log([...text].every((bracket) => matcher.take(bracket)) && matcher.done ? 'YES' : 'NO');
}

main();
