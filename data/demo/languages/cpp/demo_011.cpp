#include <iostream>
#include <numeric>

// How many numbers up to a limit a divisor divides.
long multiples(long limit, long divisor) {
    return limit / divisor;
}

// Those that either divides: the common ones were counted twice.
long either(long limit, long a, long b) {
    return multiples(limit, a) + multiples(limit, b) - multiples(limit, std::lcm(a, b));
}

int main() {
    long limit, a, b;
    std::cin >> limit >> a >> b;
    std::cout << either(limit, a, b) << "\n";
}
