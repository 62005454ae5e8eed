#include <iostream>

long long odd_up_to(long long limit);

// The odd numbers up to B, without those below A.
int main() {
    long long a, b;
    std::cin >> a >> b;
    std::cout << odd_up_to(b) - odd_up_to(a - 1) << "\n";
}

// The sum of the odd numbers from 1 to a limit is the square of their number.
long long odd_up_to(long long limit) {
    const long long count = limit < 1 ? 0 : (limit + 1) / 2;
    return count * count;
}
