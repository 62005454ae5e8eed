#include <algorithm>
#include <iostream>
#include <vector>

using Table = std::vector<std::vector<int>>;

Table read_table();
Table without_first_row_turned(const Table& table);
std::vector<int> spiral(Table table);

// Print the numbers in spiral order.
int main() {
    bool first = true;
    for (int number : spiral(read_table())) {
        std::cout << (first ? "" : " ") << number;
        first = false;
    }
    std::cout << std::endl;
}

// Read R, C and the table.
Table read_table() {
    size_t rows, columns;
    std::cin >> rows >> columns;
    Table table(rows, std::vector<int>(columns));
    for (auto& row : table) {
        for (int& number : row) std::cin >> number;
    }
    return table;
}

// Read the first row, turn what is left so that its last column comes first, and go on.
std::vector<int> spiral(Table table) {
    std::vector<int> order;
    while (!table.empty()) {
        order.insert(order.end(), table[0].begin(), table[0].end());
        table = without_first_row_turned(table);
    }
    return order;
}

// The rest of the table, turned by a quarter against the clock.
Table without_first_row_turned(const Table& table) {
    Table turned;
    for (size_t column = table[0].size(); column-- > 0 && table.size() > 1;) {
        std::vector<int> row;
        for (size_t i = 1; i < table.size(); i++) row.push_back(table[i][column]);
        turned.push_back(row);
    }
    return turned;
}
