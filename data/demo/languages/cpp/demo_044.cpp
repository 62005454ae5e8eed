#include <iostream>
#include <numeric>
#include <vector>

std::vector<int> leaving_order(int n, int k);
std::vector<int> circle_of(int n);

// Read n and k, print who leaves when.
int main() {
    int n, k;
    std::cin >> n >> k;
    const char* between = "";
    for (int child : leaving_order(n, k)) {
        std::cout << between << child;
        between = " ";
    }
    std::cout << '\n';
}

// Count from where the last child left; the circle is a list that wraps around.
std::vector<int> leaving_order(int n, int k) {
    std::vector<int> circle = circle_of(n), order;
    for (size_t at = 0; !circle.empty();) {
        at = (at + k - 1) % circle.size();
        order.push_back(circle[at]);
        circle.erase(circle.begin() + at);
    }
    return order;
}

// Children 1 to n.
std::vector<int> circle_of(int n) {
    std::vector<int> circle(n);
    std::iota(circle.begin(), circle.end(), 1);
    return circle;
}
