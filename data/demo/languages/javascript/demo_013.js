'use strict';

const A = 'a'.charCodeAt(0);

// Read the key and the message, print the message encrypted.
function main() {
    const [key, message] = require('fs').readFileSync(0, 'utf8').split('\n');
    console.log(encrypt(message, Number(key)));
}

// Shift every lowercase letter of a message.
function encrypt(message, places) {
    return message.replace(/[a-z]/g, (letter) => shifted(letter, places));
}

// Shift one letter.
function shifted(letter, places) {
    return String.fromCharCode(A + (letter.charCodeAt(0) - A + places) % 26);
}

main();
