#include <cctype>
#include <iostream>
#include <string>

// Whether a word counts.
inline bool is_long(const std::string& word) { return word.size() >= 3; }

// The uppercase initials of the words that count.
std::string short_name(std::istream& words) {
    std::string name;
    for (std::string word; words >> word;)
        if (is_long(word)) name.push_back(std::toupper(static_cast<unsigned char>(word[0])));
    return name;
}

int main() {
    std::cout << short_name(std::cin) << std::endl;
}
