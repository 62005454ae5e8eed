#include <iostream>

#define SQUARE(x) ((x) * (x))

// Read n, then add up the squares of the n numbers as they come.
long long sum_of_squares(std::istream& input) {
    int n;
    input >> n;
    long long sum = 0;
    for (long long number; n-- > 0 && input >> number;) sum += SQUARE(number);
    return sum;
}

// Print the sum.
int main() {
    std::cout << sum_of_squares(std::cin) << '\n';
}
