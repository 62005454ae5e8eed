use std::collections::HashSet;

/// A city is kept when it is seen for the first time.
pub fn first_visits(cities: Vec<i32>) -> Vec<i32> {
    let mut seen = HashSet::new();
    cities.into_iter().filter(|&city| is_new(&mut seen, city)).collect()
}

fn is_new(seen: &mut HashSet<i32>, city: i32) -> bool {
    seen.insert(city)
}
