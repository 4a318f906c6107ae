//! The networks from which a key may be used.

use ipnet::IpNet;
use std::net::IpAddr;

/// A list of networks; empty means any address. IPv4-mapped IPv6 addresses count as IPv4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Any address.
    pub const ANY: Self = Self(Vec::new());

    /// These networks, host bits cleared; an empty list means any address.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut list: Vec<_> = networks.into_iter().map(|network| network.trunc()).collect();
        list.sort_unstable();
        list.dedup();
        Self(list)
    }
    /// Whether every address is allowed.
    pub const fn is_any(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether an address is allowed.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.is_any() || self.0.iter().any(|network| network.contains(&address))
    }
    /// Whether all that this list allows, `other` allows too.
    pub fn within(&self, other: &Self) -> bool {
        other.is_any()
            || (!self.is_any()
                && self.0.iter().all(|mine| other.0.iter().any(|theirs| theirs.contains(mine))))
    }
    /// The networks as texts.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
    /// As a store keeps them, separated by spaces.
    pub fn to_stored(&self) -> String {
        self.texts().join(" ")
    }
    /// Reads what a store kept. Only an empty text means any address.
    ///
    /// # Errors
    /// The text that is no network, or blanks alone: the row must be refused, since an empty list would mean any
    /// address.
    pub fn from_stored(text: &str) -> Result<Self, String> {
        let parts = text.split(' ').filter(|part| !part.is_empty());
        let networks = Self::new(
            parts.map(|part| part.parse().map_err(|_| part.to_owned())).collect::<Result<Vec<_>, _>>()?,
        );
        if networks.is_any() && !text.is_empty() { Err(text.to_owned()) } else { Ok(networks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &str) -> Networks {
        Networks::from_stored(text).unwrap()
    }

    #[test]
    fn an_address_is_allowed_by_the_networks_that_hold_it() {
        assert!(Networks::ANY.contains("203.0.113.9".parse().unwrap()));
        let list = nets("10.0.0.0/8 2001:db8::/32");
        assert!(list.contains("10.1.2.3".parse().unwrap()));
        assert!(list.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(list.contains("2001:db8::1".parse().unwrap()));
        assert!(!list.contains("11.0.0.1".parse().unwrap()));
    }

    #[test]
    fn narrower_lists_are_within_wider_ones_and_any_is_within_any_alone() {
        assert!(nets("10.1.0.0/16 10.2.0.0/16").within(&nets("10.0.0.0/8")));
        assert!(!nets("10.0.0.0/8").within(&nets("10.1.0.0/16")));
        assert!(!Networks::ANY.within(&nets("0.0.0.0/0")));
        assert!(nets("10.0.0.0/8").within(&Networks::ANY));
        assert!(Networks::ANY.within(&Networks::ANY));
    }

    #[test]
    fn a_damaged_row_is_an_error_and_not_any_address() {
        for text in ["10.0.0.0/99", " ", "   ", "\t", "*", "10.0.0.0/8,127.0.0.0/8", "127.0.0.1"] {
            assert_eq!(Networks::from_stored(text), Err(text.to_owned()));
        }
        assert_eq!(Networks::from_stored(""), Ok(Networks::ANY));
    }
}
