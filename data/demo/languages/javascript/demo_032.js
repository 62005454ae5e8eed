let input = '';
process.stdin.on('data', (chunk) => { input += chunk; });
process.stdin.on('end', () => main(input.trim()));

// Print the favourite and its count.
function main(word) {
    const counts = countLetters(word);
    const [letter] = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a.localeCompare(b));
    console.log(letter, counts.get(letter));
}

// How often each letter occurs.
function countLetters(word) {
    const counts = new Map();
    for (const letter of word) counts.set(letter, (counts.get(letter) || 0) + 1);
    return counts;
}
