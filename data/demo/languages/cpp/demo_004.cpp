class Solution {
public:
    // Add up the even numbers.
    int evenTotal(vector<int>& nums) {
        int total = 0;
        for (int number : nums) {
            if (isEven(number)) total += number;
        }
        return total;
    }

private:
    static bool isEven(int number) { return number % 2 == 0; }
};
