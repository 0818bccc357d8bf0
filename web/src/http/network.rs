//! A network, as far as an address tells which one it is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many leading bits of an address make a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    v4_bits: u32,
    v6_bits: u32,
}

impl Prefix {
    /// IPv4 addresses in groups of 256 neighbours; a subscriber usually gets a /56 of IPv6.
    pub(crate) const NETWORK: Self = Self { v4_bits: 24, v6_bits: 56 };
    /// One machine, as far as an address tells: within a /64 it makes up as many as it likes.
    pub(crate) const MACHINE: Self = Self { v4_bits: 32, v6_bits: 64 };

    /// The first address of the network that an address is in.
    pub(crate) fn of(self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - self.v4_bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - self.v6_bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_in_one_network_and_are_different_machines() {
        for (prefix, address, of) in [
            (Prefix::NETWORK, "203.0.113.77", "203.0.113.0"),
            (Prefix::NETWORK, "::ffff:203.0.113.77", "203.0.113.0"),
            (Prefix::NETWORK, "2001:db8:1:2ff::9", "2001:db8:1:200::"),
            (Prefix::MACHINE, "203.0.113.77", "203.0.113.77"),
            (Prefix::MACHINE, "2001:db8:1:2ff::9", "2001:db8:1:2ff::"),
        ] {
            assert_eq!(prefix.of(address.parse().unwrap()).to_string(), of);
        }
    }
}
