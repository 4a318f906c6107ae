//! What every store must promise, one named case a promise: the same cases for every backend.
//!
//! A case sees the ports and nothing below them. It gets a store of its own, opened twice as two processes
//! would; expected outcomes are checked together with the audit entries and the notices that they leave.

mod accounts;
mod attempts;
mod audit;
mod authorizations;
mod calls;
mod claims;
mod connections;
mod domains;
mod factors;
pub mod fixture;
pub mod fixture_calendars;
pub mod fixture_people;
mod key_index;
mod keys;
mod mailed;
mod makers;
mod members;
mod one_time;
mod passkeys;
mod people;
mod people_administered;
mod revocations;
mod sessions;
mod signing_keys;
mod tokens;
mod users;
mod vault;

pub use fixture::Fixture;

use std::{pin::Pin, sync::Arc, time::Duration};

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The port and the promise, as `keys::revoking_is_terminal`.
    pub name: &'static str,
    /// Panics where the promise is broken.
    pub run: for<'a> fn(&'a Fixture) -> Running<'a>,
}

/// A case under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The cases of one file.
macro_rules! cases {
    ($port:literal: $($name:ident),* $(,)?) => {
        pub(super) const CASES: &[$crate::contract::Case] = &[$($crate::contract::Case {
            name: concat!($port, "::", stringify!($name)),
            run: |fixture| Box::pin($name(fixture)),
        },)*];
    };
}
pub(crate) use cases;

/// Every case, port by port.
pub fn all() -> impl Iterator<Item = Case> {
    let ports = [
        accounts::CASES,
        attempts::CASES,
        domains::CASES,
        users::CASES,
        authorizations::CASES,
        connections::CASES,
        claims::CASES,
        vault::CASES,
        calls::CASES,
        keys::CASES,
        key_index::CASES,
        makers::CASES,
        tokens::CASES,
        one_time::CASES,
        people::CASES,
        people_administered::CASES,
        members::CASES,
        sessions::CASES,
        factors::CASES,
        passkeys::CASES,
        mailed::CASES,
        signing_keys::CASES,
        revocations::CASES,
        audit::CASES,
    ];
    ports.into_iter().flatten().copied()
}

/// The longest that a case may take: one that hangs has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs cases on stores of a backend, each on a fresh one, and answers the names of those that failed.
pub async fn run<Open, Opening>(cases: impl Iterator<Item = Case>, open: Open) -> Vec<&'static str>
where
    Open: Fn() -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Fixture> + Send,
{
    let open = Arc::new(open);
    let mut failed = Vec::new();
    for case in cases {
        let open = Arc::clone(&open);
        let running = async move {
            let fixture = open().await;
            tokio::time::timeout(LONGEST, (case.run)(&fixture)).await.is_ok()
        };
        let kept = tokio::spawn(running).await.is_ok_and(|in_time| in_time);
        println!("{} {}", if kept { "ok    " } else { "FAILED" }, case.name);
        if !kept {
            failed.push(case.name);
        }
    }
    failed
}
