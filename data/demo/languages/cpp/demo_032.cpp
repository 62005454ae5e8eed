#include <algorithm>
#include <array>
#include <iostream>
#include <string>

// How often each letter occurs.
std::array<int, 26> letter_counts(const std::string& word) {
    std::array<int, 26> counts{};
    for (char letter : word) counts[letter - 'a']++;
    return counts;
}

// Print the first letter with the greatest count.
void print_favourite(const std::array<int, 26>& counts) {
    const auto most = std::max_element(counts.begin(), counts.end());
    std::cout << static_cast<char>('a' + (most - counts.begin())) << ' ' << *most << '\n';
}

int main() {
    std::string word;
    std::cin >> word;
    print_favourite(letter_counts(word));
}
