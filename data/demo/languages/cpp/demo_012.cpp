#include <algorithm>
#include <vector>

using Span = std::vector<int>;

class Solution {
public:
    // Sort by the first day; a span that begins before the last one ends makes it longer.
    std::vector<Span> mergeBookings(std::vector<Span> bookings) {
        std::sort(bookings.begin(), bookings.end());
        std::vector<Span> merged;
        for (const Span& span : bookings) {
            if (!merged.empty() && share_a_day(merged.back(), span)) {
                merged.back()[1] = std::max(merged.back()[1], span[1]);
            } else {
                merged.push_back(span);
            }
        }
        return merged;
    }

private:
    // Whether the later span begins before the earlier one is over.
    bool share_a_day(const Span& earlier, const Span& later) const { return later[0] <= earlier[1]; }
};
