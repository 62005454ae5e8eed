#include <iostream>

namespace garden {

struct Rectangle {
    long a, b;
};

long area(const Rectangle& of) {
    return of.a * of.b;
}

long fence(const Rectangle& of) {
    return 2 * (of.a + of.b);
}

}  // namespace garden

// Print the area and the fence.
int main() {
    garden::Rectangle rectangle{};
    std::cin >> rectangle.a >> rectangle.b;
    std::cout << garden::area(rectangle) << ' ' << garden::fence(rectangle) << '\n';
}
