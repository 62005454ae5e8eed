#include <functional>
#include <iostream>
#include <queue>
#include <vector>

std::vector<int> smallest_order(const std::vector<std::vector<int>>& after, std::vector<int> waits_for);

// Read the rules as a graph and print its smallest topological order.
int main() {
    int n, m;
    std::cin >> n >> m;
    std::vector<std::vector<int>> after(n + 1);
    std::vector<int> waits_for(n + 1);
    for (int i = 0; i < m; i++) {
        int a, b;
        std::cin >> a >> b;
        after[a].push_back(b);
        waits_for[b]++;
    }
    auto order = smallest_order(after, waits_for);
    if (static_cast<int>(order.size()) < n) {
        std::cout << "IMPOSSIBLE\n";
        return 0;
    }
    for (int i = 0; i < n; i++) std::cout << order[i] << (i + 1 < n ? ' ' : '\n');
}

// Of the tasks that wait for nothing, always take the smallest; what is in a circle never comes.
std::vector<int> smallest_order(const std::vector<std::vector<int>>& after, std::vector<int> waits_for) {
    std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
    for (size_t task = 1; task < after.size(); task++)
        if (!waits_for[task]) ready.push(static_cast<int>(task));
    std::vector<int> order;
    while (!ready.empty()) {
        int task = ready.top();
        ready.pop();
        order.push_back(task);
        for (int next : after[task])
            if (--waits_for[next] == 0) ready.push(next);
    }
    return order;
}
