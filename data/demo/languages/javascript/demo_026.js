const fs = require('fs');

class GuestList {
    names = new Set();

    // Write down one name.
    sign = (name) => {
        this.names.add(name);
    };

    get size() {
        return this.names.size;
    }
}

const list = new GuestList();
fs.readFileSync(0, 'utf8').trim().split('\n').slice(1).forEach(list.sign);
console.log(list.size);
