import { readFileSync } from 'node:fs';

export function spread(numbers) {
    return Math.max(...numbers) - Math.min(...numbers);
}

export function readNumbers() {
    return readFileSync(0, 'utf8').trim().split(/\s+/).slice(1).map(Number);
}

console.log(spread(readNumbers()));
