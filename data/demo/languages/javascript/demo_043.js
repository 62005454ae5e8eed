const NOTES = [50, 20, 10, 5, 1];

// As many of the first note as fit, the rest with the smaller ones.
const count = (amount, [note, ...smaller]) => {
    if (note === undefined) return 0;
    return Math.floor(amount / note) + count(amount % note, smaller);
};

const readAmount = () => Number(require('fs').readFileSync(0, 'utf8'));

console.log(count(readAmount(), NOTES));
