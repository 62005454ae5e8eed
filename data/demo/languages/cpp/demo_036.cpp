#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace {

// A map whose lakes are drained as they are measured.
struct Map {
    std::vector<std::string> rows;

    // Turn a lake to land, field by field, and return its size.
    int drain(int row, int column) {
        if (row < 0 || column < 0 || row >= static_cast<int>(rows.size()) || column >= static_cast<int>(rows[row].size()))
            return 0;
        if (rows[row][column] != '#') return 0;
        rows[row][column] = '.';
        return 1 + drain(row - 1, column) + drain(row + 1, column) + drain(row, column - 1) + drain(row, column + 1);
    }
};

}  // namespace

// Measure every lake that is still there.
int main() {
    int height, width, lakes = 0, largest = 0;
    std::cin >> height >> width;
    Map map{std::vector<std::string>(height)};
    for (auto& row : map.rows) std::cin >> row;
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < width; column++) {
            int size = map.drain(row, column);
            lakes += size > 0;
            largest = std::max(largest, size);
        }
    }
    std::cout << lakes << " " << largest << "\n";
}
