const fs = require('fs');

// Read the line, print the number of its vowels.
function main() {
    console.log(countVowels(fs.readFileSync(0, 'utf8')));
}

// Count the letters that are vowels.
function countVowels(text) {
    let count = 0;
    for (const letter of text) {
        if (isVowel(letter)) count++;
    }
    return count;
}

// Whether a letter is one of a, e, i, o, u.
function isVowel(letter) {
    return 'aeiou'.includes(letter);
}

main();
