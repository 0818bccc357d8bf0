//! Places for connections: so many in all, and so many for one network, so that no network takes all.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

use super::network::Prefix;

/// How many connections each network has open.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    per_network_max: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One of a network's places, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    network: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    pub(crate) fn new(per_network_max: usize) -> Self {
        Self { per_network_max, taken: Arc::default() }
    }

    /// A place for one more connection from there; `None` if its network has taken all of its own.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let network = Prefix::NETWORK.of(address);
        let mut taken = self.taken.lock();
        let count = taken.entry(network).or_default();
        if *count >= self.per_network_max {
            return None;
        }
        *count += 1;
        Some(Place { network, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        let Entry::Occupied(mut count) = taken.entry(self.network) else { return };
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_places_and_no_more() {
        let places = Places::new(2);
        let take = |address: &str| places.take(address.parse().unwrap());
        let (first, second) = (take("203.0.113.1"), take("203.0.113.2"));
        assert!(first.is_some() && second.is_some());
        assert!(take("203.0.113.3").is_none() && take("::ffff:203.0.113.3").is_none());
        assert!(take("203.0.114.1").is_some(), "a neighbouring network");
        drop(first);
        assert!(take("203.0.113.3").is_some());
        drop(second);
        assert!(places.taken.lock().is_empty(), "nothing is remembered of who has gone");
    }
}
