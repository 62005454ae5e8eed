#include <bits/stdc++.h>
using namespace std;
#define REP(i, from, to) for (int i = (from); i <= (to); i++)

int fewest(const vector<int>& coins, int amount);

// The fewest coins of every amount up to A, from those of smaller amounts.
int main() {
    int k, amount;
    cin >> k >> amount;
    vector<int> coins(k);
    for (int& coin : coins) cin >> coin;
    cout << fewest(coins, amount) << '\n';
    return 0;
}

// Return the fewest coins that pay the amount exactly, -1 if none do.
int fewest(const vector<int>& coins, int amount) {
    const int never = INT_MAX / 2;
    vector<int> best(amount + 1, never);
    best[0] = 0;
    REP(paid, 1, amount) {
        for (int coin : coins)
            if (coin <= paid) best[paid] = min(best[paid], best[paid - coin] + 1);
    }
    return best[amount] == never ? -1 : best[amount];
}
