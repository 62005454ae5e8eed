// A city is kept when it is seen for the first time.
function firstVisits(cities) {
    const seen = new Set();
    return cities.filter((city) => isNew(seen, city));
}

function isNew(seen, city) {
    if (seen.has(city)) return false;
    seen.add(city);
    return true;
}
