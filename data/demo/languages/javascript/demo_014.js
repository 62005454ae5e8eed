const STEPS = { U: [0, 1], D: [0, -1], R: [1, 0], L: [-1, 0] };

class Robot {
    constructor() {
        this.x = 0;
        this.y = 0;
        this.farthest = 0;
    }

    // Carry out one command, such as "U 3".
    obey(command) {
        const [direction, distance] = command.split(' ');
        this.x += STEPS[direction][0] * distance;
        this.y += STEPS[direction][1] * distance;
        this.farthest = Math.max(this.farthest, Math.abs(this.x) + Math.abs(this.y));
    }

    toString() {
        return `${this.x} ${this.y}\n${this.farthest}`;
    }
}

function main() {
    const [n, ...commands] = require('fs').readFileSync(0, 'utf8').split('\n');
    const robot = new Robot();
    commands.slice(0, Number(n)).forEach((command) => robot.obey(command));
    console.log(String(robot));
}

main();
