const fs = require('fs');

function main() {
    const [[n], ...goods] = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => line.split(' ').map(Number));
    console.log(discounted(total(goods.slice(0, n))));
}

// What all goods cost together.
function total(goods) {
    return goods.reduce((sum, [price, quantity]) => sum + price * quantity, 0);
}

// A bill of 100 or more is 10 less.
function discounted(sum) {
    return sum >= 100 ? sum - 10 : sum;
}

main();
