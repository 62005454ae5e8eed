#include <iostream>
#include <vector>

struct Thing {
    int weight, value;
};

struct Best {
    int value = 0, weight = 0;

    // More value, or as much with less weight.
    bool operator>(const Best& other) const {
        return value != other.value ? value > other.value : weight < other.weight;
    }
};

// The best that fits into a backpack of each size up to the limit, one thing after the other.
Best fill(const std::vector<Thing>& things, int limit) {
    std::vector<Best> best(limit + 1);
    for (const Thing& thing : things) {
        for (int room = limit; room >= thing.weight; room--) {
            Best with = best[room - thing.weight];
            with.value += thing.value;
            with.weight += thing.weight;
            if (with > best[room]) best[room] = with;
        }
    }
    return best[limit];
}

// Read the things, print the best value and its weight.
int main() {
    int n, limit;
    std::cin >> n >> limit;
    std::vector<Thing> things(n);
    for (auto& [weight, value] : things) std::cin >> weight >> value;
    const Best best = fill(things, limit);
    std::cout << best.value << ' ' << best.weight << '\n';
}
