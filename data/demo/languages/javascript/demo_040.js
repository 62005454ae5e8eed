// Call all numbers up to N.
function main() {
    const n = Number(require('fs').readFileSync(0, 'utf8'));
    const lines = [];
    for (let number = 1; number <= n; number++) lines.push(call(number));
    console.log(lines.join('\n'));
}

// What stands for a number.
function call(number) {
    const said = [number % 4 ? '' : 'ping', number % 6 ? '' : 'pong'].filter(Boolean);
    return said.join(' ') || String(number);
}

main();
