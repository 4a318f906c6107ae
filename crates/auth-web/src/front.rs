//! What stands between the network and a service: who is calling, what requests are called, what was refused.

use crate::{endpoint::Service, refusals::Refusals, request_id::RequestIds};
use actix_web::HttpRequest;
use auth_core::{entropy::Entropy, flow::Platform};
use ipnet::IpNet;
use std::net::IpAddr;

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
    /// of `X-Forwarded-For` that is not one.
    #[inline]
    pub(crate) fn caller(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if self.trusted_proxies.is_empty() { Some(peer) } else { Some(self.behind_proxies(peer, request)) }
    }

    fn behind_proxies(&self, peer: IpAddr, request: &HttpRequest) -> IpAddr {
        let trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|network| network.contains(address));
        let hops = request.headers().get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
        let hops: Vec<_> = hops.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut caller = peer;
        for hop in hops.into_iter().rev() {
            if !trusted(&caller) {
                break;
            }
            // What a trusted proxy did not write as an address ends the search at that proxy.
            match hop.parse::<IpAddr>() {
                Ok(address) => caller = address.to_canonical(),
                Err(_) => break,
            }
        }
        caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::OsEntropy;
    use actix_web::test::TestRequest;

    fn caller(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let front = Front::new(trusted.iter().map(|network| network.parse().unwrap()).collect(), &OsEntropy);
        let mut request = TestRequest::default().peer_addr(format!("{peer}:4711").parse().unwrap());
        for line in forwarded {
            request = request.append_header(("x-forwarded-for", *line));
        }
        front.caller(&request.to_http_request()).unwrap().to_string()
    }

    #[test]
    fn a_stranger_cannot_say_where_it_is() {
        assert_eq!(caller(&[], "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(caller(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_hop_counts() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(caller(trusted, "10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(caller(trusted, "10.0.0.1", &["198.51.100.9, 203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(caller(trusted, "10.0.0.1", &["198.51.100.9", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(caller(trusted, "10.0.0.1", &["203.0.113.7, nonsense"]), "10.0.0.1");
        assert_eq!(caller(trusted, "10.0.0.1", &[]), "10.0.0.1");
    }
}
