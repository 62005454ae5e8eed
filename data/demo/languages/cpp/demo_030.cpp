#include <cstdint>
#include <iostream>

// The number that follows.
std::uint64_t next(std::uint64_t number) {
    return number % 2 == 0 ? number / 2 : 3 * number + 1;
}

// How many steps it takes to 1.
int steps(std::uint64_t number) {
    int count = 0;
    for (; number != 1; number = next(number)) ++count;
    return count;
}

auto main() -> int {
    std::uint64_t number = 0;
    std::cin >> number;
    std::cout << steps(number) << '\n';
}
