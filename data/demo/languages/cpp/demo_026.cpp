#include <iostream>
#include <string>
#include <unordered_set>

class GuestList {
public:
    // Write down one name.
    void sign(const std::string& name) { names_.insert(name); }

    // How many different names there are.
    std::size_t size() const { return names_.size(); }

private:
    std::unordered_set<std::string> names_;
};

// Let every guest sign.
int main() {
    int n;
    std::cin >> n;
    GuestList list;
    for (std::string name; n-- > 0 && std::cin >> name;) list.sign(name);
    std::cout << list.size() << '\n';
}
