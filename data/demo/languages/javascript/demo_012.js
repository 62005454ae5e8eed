// Sort by the first day; a span that begins before the last one ends makes it longer.
const mergeBookings = function (bookings) {
    const merged = [];
    for (const [first, last] of bookings.sort(byFirstDay)) {
        const before = merged.at(-1);
        if (before && first <= before[1]) {
            before[1] = Math.max(before[1], last);
        } else {
            merged.push([first, last]);
        }
    }
    return merged;
};

const byFirstDay = (left, right) => left[0] - right[0];
