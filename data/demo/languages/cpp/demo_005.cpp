#include <algorithm>
#include <iostream>
#include <vector>

using namespace std;

vector<int> read_posts();
int widest_gap(const vector<int>& posts);

// Read the posts, which come in order, and print the largest difference of neighbours.
int main() {
    cout << widest_gap(read_posts()) << endl;
}

// Read n and the n positions.
vector<int> read_posts() {
    int n;
    cin >> n;
    vector<int> posts(n);
    for (auto& post : posts) cin >> post;
    return posts;
}

// Return the largest distance between two neighbours.
int widest_gap(const vector<int>& posts) {
    int widest = 0;
    for (size_t i = 1; i < posts.size(); i++) widest = max(widest, posts[i] - posts[i - 1]);
    return widest;
}
