#include <iostream>
#include <vector>

constexpr long long MODULUS = 1'000'000'007;

// Count the ways to every step from those to the three below it.
auto count_ways = [](const std::vector<bool>& broken) {
    std::vector<long long> ways(broken.size());
    ways[0] = 1;
    for (size_t step = 1; step < broken.size(); step++)
        for (size_t move = 1; move <= 3 && move <= step; move++)
            if (!broken[step]) ways[step] = (ways[step] + ways[step - move]) % MODULUS;
    return ways.back();
};

// Read the broken steps and count.
int main() {
    int n, b;
    std::cin >> n >> b;
    std::vector<bool> broken(n + 1);
    for (int i = 0; i < b; i++) {
        int step;
        std::cin >> step;
        broken[step] = true;
    }
    std::cout << count_ways(broken) << "\n";
}
