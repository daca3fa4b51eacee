//! A map that forgets its oldest entries: what must be remembered for a while, and never for ever.
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

pub(crate) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity }
    }

    /// `false` if the key was there already; its value is then the new one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        if self.entries.insert(key.clone(), value).is_some() {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        true
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn forgets_the_oldest_first() {
        let mut map = Bounded::new(2);
        assert!(map.insert("a", 1));
        assert!(map.insert("b", 2));
        assert!(!map.insert("a", 3));
        assert!(map.insert("c", 4));
        assert!(!map.contains(&"a"));
        assert_eq!((map.get(&"b"), map.get(&"c")), (Some(&2), Some(&4)));
    }
}
