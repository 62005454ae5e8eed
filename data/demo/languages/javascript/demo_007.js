const [k, amount, ...coins] = require('fs').readFileSync(0, 'utf8').trim().split(/\s+/).map(Number);

/** The fewest coins of every amount, from those of smaller amounts. */
function fewest(coins, amount) {
    const best = new Array(amount + 1).fill(Infinity);
    best[0] = 0;
    for (let paid = 1; paid <= amount; paid++) {
        for (const coin of coins) {
            if (coin <= paid) best[paid] = Math.min(best[paid], best[paid - coin] + 1);
        }
    }
    return best[amount] === Infinity ? -1 : best[amount];
}

console.log(fewest(coins.slice(0, k), amount));
