#include <iostream>

// What n kinds of goods cost together.
int total_of(std::istream& goods, int n) {
    int total = 0;
    for (int price, quantity; n-- > 0 && goods >> price >> quantity;) total += price * quantity;
    return total;
}

// A bill of 100 or more is 10 less.
int discounted(int total) {
    if (total >= 100) return total - 10;
    return total;
}

// Print the amount to pay.
int main() {
    int n;
    std::cin >> n;
    std::cout << discounted(total_of(std::cin, n)) << '\n';
}
