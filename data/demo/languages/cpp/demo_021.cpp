class Solution {
public:
    // For each number, count the earlier ones that complete it.
    int countPairs(vector<int>& nums, int target) {
        unordered_map<int, int> earlier;
        int pairs = 0;
        for (int number : nums) {
            pairs += timesSeen(earlier, target - number);
            earlier[number]++;
        }
        return pairs;
    }

private:
    int timesSeen(const unordered_map<int, int>& counts, int number) {
        auto found = counts.find(number);
        return found == counts.end() ? 0 : found->second;
    }
};
