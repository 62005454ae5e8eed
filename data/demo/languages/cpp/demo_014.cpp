#include <algorithm>
#include <cstdlib>
#include <iostream>

struct Robot {
    int x = 0, y = 0;

    // Carry out one command.
    void move(char direction, int distance) {
        if (direction == 'U') y += distance;
        if (direction == 'D') y -= distance;
        if (direction == 'R') x += distance;
        if (direction == 'L') x -= distance;
    }

    // Distance from the start, along the axes.
    int distance() const { return std::abs(x) + std::abs(y); }
};

// Carry out all commands; remember the greatest distance.
int main() {
    int n, farthest = 0;
    std::cin >> n;
    Robot robot;
    while (n--) {
        char direction;
        int distance;
        std::cin >> direction >> distance;
        robot.move(direction, distance);
        farthest = std::max(farthest, robot.distance());
    }
    std::cout << robot.x << ' ' << robot.y << '\n' << farthest << '\n';
}
