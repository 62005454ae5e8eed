#include <iostream>
#include <string>

int digit_sum(const std::string& number);

// Read the number as text, since it has up to 30 digits, and print the sum of its digits.
int main() {
    std::string number;
    std::cin >> number;
    std::cout << digit_sum(number) << "\n";
}

// Return the sum of the values of all digits.
int digit_sum(const std::string& number) {
    int sum = 0;
    for (char digit : number) {
        sum += digit - '0';
    }
    return sum;
}
