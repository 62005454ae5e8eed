const fs = require('fs');

// Print the initials of the words that count.
function main() {
    const words = fs.readFileSync(0, 'utf8').trim().split(' ');
    console.log(words.filter(isLong).map(initial).join(''));
}

function isLong(word) {
    return word.length >= 3;
}

function initial(word) {
    return word.charAt(0).toUpperCase();
}

main();
