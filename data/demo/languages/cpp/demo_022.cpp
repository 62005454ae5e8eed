#include <cstdio>

// Print minutes or seconds with two digits.
static void two_digits(int value) { std::printf(":%02d", value); }

// Cut the seconds into hours, minutes and seconds.
int main() {
    int seconds;
    if (std::scanf("%d", &seconds) != 1) return 1;
    std::printf("%d", seconds / 3600);
    two_digits(seconds / 60 % 60);
    two_digits(seconds % 60);
    std::puts("");
}
