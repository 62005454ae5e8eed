class Solution {
public:
    // The first of the longest words.
    string longestWord(vector<string>& words) {
        return *max_element(words.begin(), words.end(), shorter);
    }

private:
    // max_element keeps the first of equal ones.
    static bool shorter(const string& left, const string& right) {
        return left.size() < right.size();
    }
};
