#include <cctype>
#include <iostream>
#include <iterator>
#include <string>

std::string letters_of(std::istream& input);
bool is_mirror(const std::string& letters);

// Keep the letters, compare them with their mirror.
int main() {
    std::cout << (is_mirror(letters_of(std::cin)) ? "YES" : "NO") << '\n';
}

// All letters, in lowercase.
std::string letters_of(std::istream& input) {
    std::string letters;
    for (std::istreambuf_iterator<char> it(input), end; it != end; ++it) {
        const unsigned char letter = *it;
        if (std::isalpha(letter)) letters += static_cast<char>(std::tolower(letter));
    }
    return letters;
}

// Whether a text reads the same from both ends.
bool is_mirror(const std::string& letters) {
    return letters == std::string(letters.rbegin(), letters.rend());
}
