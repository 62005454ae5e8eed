#include <iostream>
#include <stack>
#include <string>

// Keeps the closing brackets that are still to come, the next one on top.
class Matcher {
public:
    // Take one bracket; false if it closes what is not open.
    bool take(char bracket) {
        switch (bracket) {
            case '(': open_.push(')'); return true;
            case '[': open_.push(']'); return true;
            case '{': open_.push('}'); return true;
        }
        if (open_.empty() || open_.top() != bracket) return false;
        open_.pop();
        return true;
    }

    // Whether everything is closed.
    bool done() const { return open_.empty(); }

private:
    std::stack<char> open_;
};

// Feed the brackets to a matcher one by one.
int main() {
    std::string text;
    std::cin >> text;
    Matcher matcher;
    for (char bracket : text) {
        if (!matcher.take(bracket)) {
            std::cout << "NO\n";
            return 0;
        }
    }
    std::cout << (matcher.done() ? "YES\n" : "NO\n");
}
