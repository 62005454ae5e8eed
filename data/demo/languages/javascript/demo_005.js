'use strict';

const fs = require('fs');

// Return the largest difference of neighbours.
const widestGap = (posts) => Math.max(...posts.slice(1).map((post, i) => post - posts[i]));

// The posts come in order.
const main = () => {
    const [n, ...posts] = fs.readFileSync('/dev/stdin', 'utf8').split(/\s+/).map(Number);
    console.log(widestGap(posts.slice(0, n)));
};

main();
