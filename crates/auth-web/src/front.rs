//! What stands between the network and a service: who is calling, what requests are called, what was refused.

use crate::{endpoint::Service, refusals::Refusals, request_id::RequestIds};
use actix_web::HttpRequest;
use auth_core::{entropy::Entropy, flow::Platform};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// A service with its front.
pub struct App<S> {
    /// The service.
    pub service: S,
    /// Its front.
    pub front: Front,
}

impl<S: Service> App<S> {
    /// A service behind a front that trusts these proxies.
    pub fn new(service: S, trusted_proxies: Vec<IpNet>) -> Self {
        let front = Front::new(trusted_proxies, service.platform().entropy.as_ref());
        Self { service, front }
    }
    /// What every use case of the service needs.
    pub fn platform(&self) -> &Platform {
        self.service.platform()
    }
}

/// The front of a service.
#[derive(Debug)]
pub struct Front {
    trusted_proxies: Vec<IpNet>,
    pub(crate) request_ids: RequestIds,
    pub(crate) refusals: Refusals,
}

impl Front {
    fn new(trusted_proxies: Vec<IpNet>, entropy: &dyn Entropy) -> Self {
        Self { trusted_proxies, request_ids: RequestIds::new(entropy), refusals: Refusals::default() }
    }

    /// The caller's address: the socket's peer; only when that peer is a trusted proxy, the rightmost address
    /// of `X-Forwarded-For` that is not one. `None` where a trusted proxy names a hop that cannot be read: the
    /// proxy's own address is not the caller's.
    #[inline]
    pub(crate) fn caller(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if self.trusted_proxies.is_empty() { Some(peer) } else { self.behind_proxies(peer, request) }
    }

    fn behind_proxies(&self, peer: IpAddr, request: &HttpRequest) -> Option<IpAddr> {
        let trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|network| network.contains(address));
        let lines = request.headers().get_all("x-forwarded-for");
        let hops: Vec<_> = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
        let mut caller = peer;
        for hop in hops.into_iter().rev() {
            if !trusted(&caller) {
                break;
            }
            caller = address(hop)?;
        }
        Some(caller)
    }
}

/// The address of a hop: alone, in brackets, or with a port, as proxies write it.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::OsEntropy;
    use actix_web::{http::header::HeaderValue, test::TestRequest};

    fn caller(trusted: &[&str], peer: &str, forwarded: &[&[u8]]) -> Option<String> {
        let front = Front::new(trusted.iter().map(|network| network.parse().unwrap()).collect(), &OsEntropy);
        let mut request = TestRequest::default().peer_addr(format!("{peer}:4711").parse().unwrap());
        for line in forwarded {
            request = request.append_header(("x-forwarded-for", HeaderValue::from_bytes(line).unwrap()));
        }
        front.caller(&request.to_http_request()).map(|address| address.to_string())
    }

    #[test]
    fn a_stranger_cannot_say_where_it_is() {
        let forwarded: &[&[u8]] = &[b"203.0.113.7"];
        assert_eq!(caller(&[], "192.0.2.1", forwarded).as_deref(), Some("192.0.2.1"));
        assert_eq!(caller(&["10.0.0.0/8"], "192.0.2.1", forwarded).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_hop_counts() {
        let cases: &[(&[&[u8]], Option<&str>)] = &[
            (&[b"203.0.113.7"], Some("203.0.113.7")),
            (&[b"198.51.100.9, 203.0.113.7, 10.0.0.2"], Some("203.0.113.7")),
            (&[b"198.51.100.9", b"203.0.113.7"], Some("203.0.113.7")),
            (&[b"203.0.113.7:4711"], Some("203.0.113.7")),
            (&[b"[2001:db8::7]:4711"], Some("2001:db8::7")),
            (&[b"[2001:db8::7]"], Some("2001:db8::7")),
            (&[b"2001:db8::7"], Some("2001:db8::7")),
            (&[b"::ffff:203.0.113.7"], Some("203.0.113.7")),
            (&[b"nonsense, \xff, 203.0.113.7"], Some("203.0.113.7")),
            (&[b"10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            (&[], Some("10.0.0.1")),
        ];
        for (forwarded, expected) in cases {
            assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", forwarded).as_deref(), *expected, "{forwarded:?}");
        }
    }

    #[test]
    fn a_hop_that_cannot_be_read_leaves_no_address() {
        for hop in [
            &b"nonsense"[..],
            b"unknown",
            b"_hidden",
            b"203.0.113.7, nonsense",
            b"203.0.113.7, unknown, 10.0.0.2",
            b"203.0.113.7, ",
            b"",
            b"203.0.113.7\xe9",
            b"\x80",
            b"203.0.113.7:x",
            b"203.0.113.7:99999",
            b"[203.0.113.7",
            b"fe80::1%eth0",
        ] {
            assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", &[hop]), None, "{hop:?}");
            // A readable line before it changes nothing.
            assert_eq!(caller(&["10.0.0.0/8"], "10.0.0.1", &[b"203.0.113.7", hop]), None, "{hop:?}");
        }
    }
}
