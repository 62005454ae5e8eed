// Print the prime powers, joined.
function main() {
    const n = BigInt(require('fs').readFileSync(0, 'utf8').trim());
    console.log(factors(Number(n)).map(([prime, times]) => (times > 1 ? `${prime}^${times}` : `${prime}`)).join(' * '));
}

// Divide by every candidate as often as it goes; what is left above 1 is a prime.
function factors(n) {
    const found = [];
    for (let prime = 2; prime * prime <= n; prime++) {
        let times = 0;
        for (; n % prime === 0; n /= prime) times++;
        if (times) found.push([prime, times]);
    }
    if (n > 1) found.push([n, 1]);
    return found;
}

if (require.main === module) {
    main();
}
