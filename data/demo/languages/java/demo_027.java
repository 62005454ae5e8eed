class Solution {
    // Each column, read from bottom to top, becomes a row.
    public List<List<Integer>> turnGrid(List<List<Integer>> grid) {
        List<List<Integer>> turned = new ArrayList<>();
        for (int column = 0; column < grid.get(0).size(); column++) {
            turned.add(upwards(grid, column));
        }
        return turned;
    }

    private List<Integer> upwards(List<List<Integer>> grid, int column) {
        List<Integer> numbers = new ArrayList<>();
        for (int row = grid.size() - 1; row >= 0; row--) numbers.add(grid.get(row).get(column));
        return numbers;
    }
}
