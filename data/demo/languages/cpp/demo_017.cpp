#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using Entry = std::pair<std::string, int>;

std::map<std::string, int> count_words(std::istream& input, int lines);
bool before(const Entry& left, const Entry& right);

// Count the words, sort them by count and word, print them.
int main() {
    std::string first;
    std::getline(std::cin, first);
    auto counts = count_words(std::cin, std::stoi(first));
    std::vector<Entry> ranking(counts.begin(), counts.end());
    std::sort(ranking.begin(), ranking.end(), before);
    for (const auto& [word, count] : ranking) std::cout << word << ' ' << count << '\n';
}

// Count every word of so many lines.
std::map<std::string, int> count_words(std::istream& input, int lines) {
    std::map<std::string, int> counts;
    std::string line, word;
    while (lines-- > 0 && std::getline(input, line)) {
        std::istringstream words(line);
        while (words >> word) counts[word]++;
    }
    return counts;
}

// The more frequent word first, of equal ones the earlier in the alphabet.
bool before(const Entry& left, const Entry& right) {
    return left.second != right.second ? left.second > right.second : left.first < right.first;
}
