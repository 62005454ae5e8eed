class Solution {
public:
    // Each column, read from bottom to top, becomes a row.
    vector<vector<int>> turnGrid(vector<vector<int>>& grid) {
        vector<vector<int>> turned;
        for (size_t column = 0; column < grid[0].size(); column++) turned.push_back(upwards(grid, column));
        return turned;
    }

private:
    vector<int> upwards(const vector<vector<int>>& grid, size_t column) {
        vector<int> numbers;
        for (auto row = grid.rbegin(); row != grid.rend(); ++row) numbers.push_back((*row)[column]);
        return numbers;
    }
};
