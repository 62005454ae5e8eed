class Solution {
public:
    // Add up the numbers, keep every sum on the way.
    vector<int> runningTotals(vector<int>& nums) {
        vector<int> totals;
        for (int number : nums) totals.push_back(last(totals) + number);
        return totals;
    }

private:
    int last(const vector<int>& totals) { return totals.empty() ? 0 : totals.back(); }
};
