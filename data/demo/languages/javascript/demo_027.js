/**
 * Each column, read from bottom to top, becomes a row.
 */
const turnGrid = (grid) => {
    return grid[0].map((_, column) => upwards(grid, column));
};

function upwards(grid, column) {
    return grid.map((row) => row[column]).reverse();
}
