#include <iostream>
#include <string>

constexpr char DIGITS[] = "0123456789ABCDEF";

// All digits but the last, then the last.
std::string in_base(unsigned long long number, unsigned base) {
    const std::string last(1, DIGITS[number % base]);
    return number < base ? last : in_base(number / base, base) + last;
}

// Read the number and the base.
int main() {
    unsigned long long number;
    unsigned base;
    std::cin >> number >> base;
    std::cout << in_base(number, base) << "\n";
}
