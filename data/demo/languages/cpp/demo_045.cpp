#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

struct Costs { long long insert, remove, replace; };

long long repair(const std::string& from, const std::string& to, const Costs& costs);

// Read the costs and the words, print the cheapest repair.
int main() {
    Costs costs;
    std::string from, to;
    std::cin >> costs.insert >> costs.remove >> costs.replace >> from >> to;
    std::cout << repair(from, to, costs) << "\n";
}

// The edit distance, row by row of the table of beginnings of both words.
long long repair(const std::string& from, const std::string& to, const Costs& costs) {
    std::vector<long long> row(to.size() + 1);
    for (size_t j = 0; j <= to.size(); j++) row[j] = j * costs.insert;
    for (size_t i = 1; i <= from.size(); i++) {
        std::vector<long long> next(to.size() + 1, i * costs.remove);
        for (size_t j = 1; j <= to.size(); j++) {
            long long same = row[j - 1] + (from[i - 1] == to[j - 1] ? 0 : costs.replace);
            next[j] = std::min({same, row[j] + costs.remove, next[j - 1] + costs.insert});
        }
        row = next;
    }
    return row.back();
}
