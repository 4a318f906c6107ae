//! Which addresses are of the public Internet, and names that lead to nothing else.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
};

/// Parts of IPv4 that are not globally reachable unicast (IANA's registry of special-purpose addresses; RFC 6890), each
/// with the length of its prefix.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared behind a provider's translation
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // this machine
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // this link, and what clouds tell their machines
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4, which are no more
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // measurements
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 3),     // multicast, reserved, broadcast
];

/// All that is allocated of IPv6 as global unicast (RFC 4291 §2.4), and the parts of it that are not globally reachable.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an address of IPv4 is inside
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address is of the public Internet: globally reachable, and of one machine. An address of IPv6 that is one of
/// IPv4 (mapped or compatible, RFC 4291 §2.5.5) is judged as that one; one that is translated into it on the way is not
/// public.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4() {
            Some(inside) => is_public_v4(inside),
            None => {
                let within = |&(network, prefix): &(Ipv6Addr, u32)| {
                    address.to_bits() >> (128 - prefix) == network.to_bits() >> (128 - prefix)
                };
                within(&GLOBAL_V6) && !SPECIAL_V6.iter().any(within)
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |&(network, prefix): &(Ipv4Addr, u32)| {
        address.to_bits() >> (32 - prefix) == network.to_bits() >> (32 - prefix)
    };
    !SPECIAL_V4.iter().any(within)
}

/// A name that leads to an address that is not public, alone or among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name leads to an address that is not public")
    }
}
impl std::error::Error for NotPublic {}

/// Asks for the addresses of a name.
type Lookup = fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names to public addresses alone. The connection goes to an address that was judged here, whatever the name
/// leads to a moment later.
pub(super) struct PublicNames(Lookup);

impl PublicNames {
    /// As the machine resolves names.
    pub(super) fn of_this_machine() -> Self {
        Self(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
    }
    #[cfg(test)]
    pub(super) const fn by(lookup: Lookup) -> Self {
        Self(lookup)
    }
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = (self.0)(name.as_str().to_owned());
        Box::pin(async move { Ok(judge(addresses.await?)?) })
    }
}

/// All of the addresses, if each is public.
fn judge(addresses: Vec<SocketAddr>) -> Result<Addrs, NotPublic> {
    if addresses.iter().all(|address| is_public(address.ip())) {
        // The port is the one of the URL.
        Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address.ip(), 0))))
    } else {
        Err(NotPublic)
    }
}

/// Resolves `localhost` to this machine, without asking anybody, and nothing else.
pub(super) struct ThisMachine;

impl Resolve for ThisMachine {
    fn resolve(&self, name: Name) -> Resolving {
        let known = name.as_str() == "localhost";
        Box::pin(async move {
            let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            let addresses = addresses.into_iter().filter(move |_| known);
            Ok(Box::new(addresses.map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "3ffe:ffff::1",
        "3fff:1000::1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
    ];

    const NOT_PUBLIC: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.0",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.9",
        "192.0.0.170",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.254",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "::10.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::ffff:224.0.0.1",
        "::ffff:0:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:1:ffff::8.8.8.8",
        "100::1",
        "100:0:0:1::1",
        "1fff:ffff::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff:ffff::1",
        "2002::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "5f00:ffff::1",
        "fc00::1",
        "fd00::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf:ffff::1",
        "fec0::1",
        "ff00::1",
        "ff02::1",
        "ff0e::1",
    ];

    #[test]
    fn what_is_public_is_told_from_what_is_special() {
        for text in PUBLIC {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in NOT_PUBLIC {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_in_another_form_is_judged_alike(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let public = is_public(IpAddr::V4(address));
            prop_assert_eq!(is_public(IpAddr::V6(address.to_ipv6_mapped())), public);
            prop_assert_eq!(is_public(IpAddr::V6(address.to_ipv6_compatible())), public);
        }

        #[test]
        fn an_address_of_ipv4_that_the_library_calls_special_is_not_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_unspecified();
            prop_assert_eq!(special && is_public(IpAddr::V4(address)), false);
        }

        #[test]
        fn no_address_of_ipv6_outside_of_global_unicast_is_public(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            let global = bits >> 125 == 1;
            prop_assert_eq!(!global && address.to_ipv4().is_none() && is_public(IpAddr::V6(address)), false);
        }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 7)).collect()
    }

    #[test]
    fn a_name_is_refused_whole_if_one_of_its_addresses_is_not_public() {
        let judged = |texts: &[&str]| judge(addresses(texts)).map(Iterator::count);
        assert_eq!(judged(&["8.8.8.8", "2001:4860:4860::8888"]), Ok(2));
        for mixed in [&["8.8.8.8", "10.0.0.1"], &["::1", "8.8.8.8"], &["8.8.8.8", "::ffff:169.254.169.254"]] {
            assert_eq!(judged(mixed), Err(NotPublic), "{mixed:?}");
        }
        let ports: Vec<_> = judge(addresses(&["8.8.8.8"])).unwrap().map(|address| address.port()).collect();
        assert_eq!(ports, [0], "the port is the URL's");
    }

    #[tokio::test]
    async fn what_stays_on_this_machine_is_found_without_asking_and_nothing_else_is() {
        let found = async |name: &str| ThisMachine.resolve(name.parse().unwrap()).await.unwrap().count();
        assert_eq!((found("localhost").await, found("accounts.example.com").await), (2, 0));
    }

    #[tokio::test]
    async fn a_name_that_mixes_is_refused_where_it_is_resolved() {
        let names = PublicNames::by(|_| Box::pin(async { Ok(addresses(&["8.8.8.8", "127.0.0.1"])) }));
        let refused = names.resolve("rebinding.example".parse().unwrap()).await.err().unwrap();
        assert!(refused.downcast_ref::<NotPublic>().is_some(), "{refused}");
    }
}
