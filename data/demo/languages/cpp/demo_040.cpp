#include <iostream>
#include <string>

// What stands for a number.
std::string call(int number) {
    std::string said;
    if (number % 4 == 0) said = "ping";
    if (number % 6 == 0) said += said.empty() ? "pong" : " pong";
    return said.empty() ? std::to_string(number) : said;
}

// Call all numbers up to N.
int main() {
    int n;
    std::cin >> n;
    for (int number = 1; number <= n; ++number) std::cout << call(number) << '\n';
}
