#include <algorithm>
#include <array>
#include <iostream>

using Sides = std::array<long, 3>;

Sides read_sides();
const char* kind(const Sides& sides);

// Read the sticks, print what they form.
int main() {
    std::cout << kind(read_sides()) << '\n';
}

// The three lengths, the smallest first.
Sides read_sides() {
    Sides sides;
    for (long& side : sides) std::cin >> side;
    std::sort(sides.begin(), sides.end());
    return sides;
}

// With sorted sides, only the longest can be too long, and equal ones stand side by side.
const char* kind(const Sides& sides) {
    const auto [a, b, c] = sides;
    if (c >= a + b) return "NONE";
    if (a == c) return "EQUILATERAL";
    return a == b || b == c ? "ISOSCELES" : "SCALENE";
}
