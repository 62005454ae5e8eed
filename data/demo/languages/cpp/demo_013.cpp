#include <algorithm>
#include <cctype>
#include <iostream>
#include <string>

char shifted(char letter, int places);
std::string encrypt(std::string message, int places);

// Read the key and the message, print the message encrypted.
int main() {
    std::string key, message;
    std::getline(std::cin, key);
    std::getline(std::cin, message);
    std::cout << encrypt(message, std::stoi(key)) << '\n';
}

// Shift every letter of a message.
std::string encrypt(std::string message, int places) {
    std::transform(message.begin(), message.end(), message.begin(), [places](char letter) { return shifted(letter, places); });
    return message;
}

// Shift one letter; other characters stay.
char shifted(char letter, int places) {
    if (!std::islower(static_cast<unsigned char>(letter))) return letter;
    return static_cast<char>('a' + (letter - 'a' + places) % 26);
}
