import fs from 'node:fs';

// Put a number into a list that is sorted downwards.
function insert(list, number) {
    let [low, high] = [0, list.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (list[middle] > number) low = middle + 1;
        else high = middle;
    }
    list.splice(low, 0, number);
}

// Of the tasks that wait for nothing, always take the smallest; what is in a circle never comes.
function smallestOrder(n, rules) {
    const after = Array.from({ length: n + 1 }, () => []);
    const waitsFor = new Array(n + 1).fill(0);
    for (const [a, b] of rules) {
        after[a].push(b);
        waitsFor[b]++;
    }
    const ready = [];
    for (let task = 1; task <= n; task++) if (!waitsFor[task]) insert(ready, task);
    const order = [];
    while (ready.length) {
        const task = ready.pop();
        order.push(task);
        for (const next of after[task]) if (--waitsFor[next] === 0) insert(ready, next);
    }
    return order;
}

const [[n, m], ...rules] = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => line.split(' ').map(Number));
const order = smallestOrder(n, rules.slice(0, m));
console.log(order.length === n ? order.join(' ') : 'IMPOSSIBLE');
