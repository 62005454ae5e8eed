#include <algorithm>
#include <iostream>
#include <vector>

template <typename Number>
std::vector<Number> read_numbers(std::istream& input) {
    size_t n;
    input >> n;
    std::vector<Number> numbers(n);
    for (auto& number : numbers) input >> number;
    return numbers;
}

template <typename Number>
Number spread(const std::vector<Number>& numbers) {
    const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    return *most - *least;
}

int main() {
    std::cout << spread(read_numbers<long long>(std::cin)) << '\n';
}
