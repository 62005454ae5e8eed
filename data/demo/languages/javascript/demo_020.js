// Keep the letters, compare them with their mirror.
function main() {
    const text = require('fs').readFileSync(0, 'utf8');
    console.log(isMirror(lettersOf(text)) ? 'YES' : 'NO');
}

// All letters, in lowercase.
function lettersOf(text) {
    return [...text.toLowerCase()].filter((letter) => letter >= 'a' && letter <= 'z');
}

// Whether the letters are the same from both ends.
function isMirror(letters) {
    return letters.every((letter, i) => letter === letters[letters.length - 1 - i]);
}

main();
