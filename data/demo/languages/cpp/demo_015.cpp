#include <algorithm>
#include <functional>
#include <iostream>
#include <queue>
#include <tuple>
#include <vector>

using Map = std::vector<std::vector<int>>;
using Place = std::tuple<int, int, int>;  // the highest field on the way there, row, column

// Read the map.
Map read_map() {
    int rows, columns;
    std::cin >> rows >> columns;
    Map map(rows, std::vector<int>(columns));
    for (auto& row : map)
        for (auto& height : row) std::cin >> height;
    return map;
}

// Take the place with the lowest way first, as Dijkstra does, until the last field is reached.
int lowest_pass(const Map& map) {
    const int rows = map.size(), columns = map[0].size();
    std::vector<std::vector<bool>> seen(rows, std::vector<bool>(columns));
    std::priority_queue<Place, std::vector<Place>, std::greater<>> open;
    open.emplace(map[0][0], 0, 0);
    while (!open.empty()) {
        const auto [highest, row, column] = open.top();
        open.pop();
        if (row == rows - 1 && column == columns - 1) return highest;
        if (seen[row][column]) continue;
        seen[row][column] = true;
        const int steps[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
        for (const auto& step : steps) {
            const int r = row + step[0], c = column + step[1];
            if (r < 0 || c < 0 || r >= rows || c >= columns || seen[r][c]) continue;
            open.emplace(std::max(highest, map[r][c]), r, c);
        }
    }
    return -1;
}

int main() {
    std::cout << lowest_pass(read_map()) << "\n";
}
