#include <iostream>
#include <string>

int count_vowels(const std::string& text);
bool is_vowel(char letter);

// Read the line, print the number of its vowels.
int main() {
    std::string text;
    std::getline(std::cin, text);
    std::cout << count_vowels(text) << "\n";
}

// Count the letters that are vowels.
int count_vowels(const std::string& text) {
    int count = 0;
    for (char letter : text) {
        if (is_vowel(letter)) count++;
    }
    return count;
}

// Whether a letter is one of a, e, i, o, u.
bool is_vowel(char letter) {
    switch (letter) {
        case 'a': case 'e': case 'i': case 'o': case 'u': return true;
        default: return false;
    }
}
