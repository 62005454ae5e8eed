#include <set>
#include <vector>

// The different values, the largest first.
static std::set<int, std::greater<int>> different(const std::vector<int>& nums) {
    return {nums.begin(), nums.end()};
}

class Solution {
public:
    // The second of the different values.
    int runnerUp(const std::vector<int>& nums) {
        const auto values = different(nums);
        return values.size() < 2 ? -1 : *std::next(values.begin());
    }
};
