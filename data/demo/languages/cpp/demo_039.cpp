#include <algorithm>
#include <climits>
#include <iostream>
#include <map>
#include <string>

const std::map<char, int> VALUES = {{'I', 1}, {'V', 5}, {'X', 10}, {'L', 50}, {'C', 100}, {'D', 500}, {'M', 1000}};

int year(const std::string& numeral);

// Read the numerals, keep the smallest and the largest.
int main() {
    int n, oldest = INT_MAX, newest = 0;
    std::cin >> n;
    for (std::string numeral; n-- > 0 && std::cin >> numeral;) {
        oldest = std::min(oldest, year(numeral));
        newest = std::max(newest, year(numeral));
    }
    std::cout << oldest << ' ' << newest << '\n';
}

// Add the letters; one before a greater one is subtracted.
int year(const std::string& numeral) {
    int sum = 0;
    for (size_t i = 0; i < numeral.size(); i++) {
        const int value = VALUES.at(numeral[i]);
        const bool before_greater = i + 1 < numeral.size() && VALUES.at(numeral[i + 1]) > value;
        sum += before_greater ? -value : value;
    }
    return sum;
}
