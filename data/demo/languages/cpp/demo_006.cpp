#include <algorithm>
#include <iostream>
#include <numeric>
#include <vector>

// Read n and the n scores.
static std::vector<long> read_scores() {
    size_t n;
    std::cin >> n;
    std::vector<long> scores(n);
    for (long& score : scores) std::cin >> score;
    return scores;
}

// Count the scores above the average, without dividing: score > sum / n is score * n > sum.
static long count_above(const std::vector<long>& scores) {
    const long sum = std::accumulate(scores.begin(), scores.end(), 0L);
    const long n = static_cast<long>(scores.size());
    return std::count_if(scores.begin(), scores.end(), [&](long score) { return score * n > sum; });
}

int main() {
    std::cout << count_above(read_scores()) << std::endl;
    return 0;
}
