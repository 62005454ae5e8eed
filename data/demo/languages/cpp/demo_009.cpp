#include <cstdio>
#include <vector>

int count_rises(const std::vector<int>& days);

// Read the temperatures with scanf, print how many are above the one before.
int main() {
    int n;
    if (std::scanf("%d", &n) != 1) return 1;
    std::vector<int> days(n);
    for (int i = 0; i < n; i++) std::scanf("%d", &days[i]);
    std::printf("%d\n", count_rises(days));
}

// Compare each day with the one before it.
int count_rises(const std::vector<int>& days) {
    int rises = 0;
    for (size_t i = 1; i < days.size(); i++) rises += days[i] > days[i - 1];
    return rises;
}
