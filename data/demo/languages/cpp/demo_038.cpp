class Solution {
public:
    // A city is kept when it is seen for the first time.
    vector<int> firstVisits(vector<int>& cities) {
        vector<int> first;
        unordered_set<int> seen;
        copy_if(cities.begin(), cities.end(), back_inserter(first), [&](int city) { return isNew(seen, city); });
        return first;
    }

private:
    bool isNew(unordered_set<int>& seen, int city) { return seen.insert(city).second; }
};
