#include <iostream>

constexpr int NOTES[] = {50, 20, 10, 5, 1};

// How many notes an amount takes, the largest first.
int count_notes(int amount) {
    int count = 0;
    for (int note : NOTES) {
        count += amount / note;
        amount %= note;
    }
    return count;
}

// Read an amount.
int read_amount() {
    int amount;
    std::cin >> amount;
    return amount;
}

int main() {
    std::cout << count_notes(read_amount()) << '\n';
}
