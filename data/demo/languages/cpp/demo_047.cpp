#include <stack>
#include <vector>
using namespace std;

class Solution {
    stack<int> rising;  // houses whose posters may still go on, lower ones below

    // The area of the poster as high as the top house that ends before `end`.
    int close(const vector<int>& heights, int end) {
        int height = heights[rising.top()];
        rising.pop();
        int begin = rising.empty() ? 0 : rising.top() + 1;
        return height * (end - begin);
    }

public:
    int largestPoster(vector<int>& heights) {
        int largest = 0, n = heights.size();
        for (int i = 0; i < n; i++) {
            while (!rising.empty() && heights[rising.top()] >= heights[i]) largest = max(largest, close(heights, i));
            rising.push(i);
        }
        while (!rising.empty()) largest = max(largest, close(heights, n));
        return largest;
    }
};
