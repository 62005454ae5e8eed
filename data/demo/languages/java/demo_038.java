import java.util.*;

class Solution {
    /** A linked set keeps each city once, in the order in which it came. */
    public List<Integer> firstVisits(int[] cities) {
        Set<Integer> visited = new LinkedHashSet<>();
        for (int city : cities) visit(visited, city);
        return new ArrayList<>(visited);
    }

    private void visit(Set<Integer> visited, int city) {
        visited.add(city);
    }
}
