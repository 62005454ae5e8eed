#include <iostream>
#include <string>
#include <vector>

// How one prime stands in the product.
std::string power(long long prime, int times) {
    return times == 1 ? std::to_string(prime) : std::to_string(prime) + "^" + std::to_string(times);
}

// Divide by every candidate as often as it goes; what is left above 1 is a prime.
std::vector<std::string> factors(long long n) {
    std::vector<std::string> found;
    for (long long prime = 2; prime * prime <= n; prime++) {
        int times = 0;
        for (; n % prime == 0; n /= prime) times++;
        if (times) found.push_back(power(prime, times));
    }
    if (n > 1) found.push_back(power(n, 1));
    return found;
}

// Print the prime powers, joined.
int main() {
    long long n;
    std::cin >> n;
    const char* separator = "";
    for (const auto& factor : factors(n)) {
        std::cout << separator << factor;
        separator = " * ";
    }
    std::cout << "\n";
}
