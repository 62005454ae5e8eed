const fs = require('fs');

const DIGITS = '0123456789ABCDEF';

// Numbers up to 10^18 need BigInt.
function main() {
    const [number, base] = fs.readFileSync(0, 'utf8').trim().split(' ').map(BigInt);
    console.log(inBase(number, base));
}

// All digits but the last, then the last.
function inBase(number, base) {
    const last = DIGITS[Number(number % base)];
    return number < base ? last : inBase(number / base, base) + last;
}

main();
