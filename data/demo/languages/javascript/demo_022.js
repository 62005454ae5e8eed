// Minutes and seconds have two digits.
function twoDigits(value) {
    return String(value).padStart(2, '0');
}

process.stdin.on('data', (data) => {
    const seconds = parseInt(data);
    const parts = [Math.floor(seconds / 3600), twoDigits(Math.floor(seconds / 60) % 60), twoDigits(seconds % 60)];
    process.stdout.write(parts.join(':') + '\n');
});
