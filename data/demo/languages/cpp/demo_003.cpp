#include <iostream>
#include <iterator>
#include <string>
#include <vector>

std::vector<std::string> read_words();
template <typename Iterator>
void print_joined(Iterator begin, Iterator end);

// Read all words and print them from the last to the first.
int main() {
    const auto words = read_words();
    print_joined(words.rbegin(), words.rend());
}

// All words of the standard input.
std::vector<std::string> read_words() {
    return {std::istream_iterator<std::string>(std::cin), std::istream_iterator<std::string>()};
}

// Print a range with single spaces between its items.
template <typename Iterator>
void print_joined(Iterator begin, Iterator end) {
    for (auto it = begin; it != end; ++it) {
        if (it != begin) std::cout << ' ';
        std::cout << *it;
    }
    std::cout << '\n';
}
