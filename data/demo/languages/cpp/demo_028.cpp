#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

template <typename T>
T most_at_once(std::vector<std::pair<T, T>> changes);

// Every booking takes a boat at a and gives it back at b: the most that are out at once are needed.
int main() {
    int n;
    std::cin >> n;
    std::vector<std::pair<long long, long long>> changes;
    for (int i = 0; i < n; i++) {
        long long a, b;
        std::cin >> a >> b;
        changes.push_back({a, 1});
        changes.push_back({b, -1});
    }
    std::cout << most_at_once(changes) << "\n";
}

// Sorted by time, and what gives back before what takes, the largest running sum.
template <typename T>
T most_at_once(std::vector<std::pair<T, T>> changes) {
    std::sort(changes.begin(), changes.end());
    T now = 0, most = 0;
    for (const auto& change : changes) {
        now += change.second;
        most = std::max(most, now);
    }
    return most;
}
