//! What all endpoints of one provider share: what it is, what it remembers, and how it was told to behave.

use crate::{calendar::Calendars, config::Config, ledger::Ledger, misbehaviour::Misbehaviour, seen::Seen};
use auth_core::{entropy::Entropy, time::Timestamp};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What all endpoints share.
pub(crate) struct Desk {
    /// `http://localhost:PORT`.
    pub(crate) origin: String,
    pub(crate) config: Config,
    pub(crate) calendars: Calendars,
    ledger: Mutex<Ledger>,
    seen: Mutex<Vec<Seen>>,
    how: Mutex<Option<Misbehaviour>>,
    elsewhere: Mutex<String>,
}

impl Desk {
    pub(crate) fn new(origin: String, config: Config) -> Self {
        Self {
            origin,
            calendars: Calendars::around(config.clock.now(), &config.accounts),
            config,
            ledger: Mutex::default(),
            seen: Mutex::default(),
            how: Mutex::default(),
            elsewhere: Mutex::new("http://127.0.0.1:1/".to_owned()),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }
    /// What nobody guesses, in 43 characters of base64url.
    pub(crate) fn random(&self) -> String {
        random(&*self.config.entropy)
    }
    /// A random GUID.
    pub(crate) fn guid(&self) -> String {
        let mut bytes = [0; 16];
        self.config.entropy.fill(&mut bytes);
        guid(&bytes)
    }
    /// What it remembers.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        held(&self.ledger)
    }
    /// Keeps what it was asked.
    pub(crate) fn note(&self, seen: Seen) {
        held(&self.seen).push(seen);
    }
    /// Keeps what a client did wrong.
    pub(crate) fn fault(&self, what: impl Into<String>) {
        self.note(Seen::Violation(what.into()));
    }
    /// Everything that was kept.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        held(&self.seen).clone()
    }
    /// How it misbehaves just now.
    pub(crate) fn how(&self) -> Option<Misbehaviour> {
        *held(&self.how)
    }
    /// Whether it misbehaves in this way.
    pub(crate) fn does(&self, how: Misbehaviour) -> bool {
        self.how() == Some(how)
    }
    pub(crate) fn misbehave(&self, how: Option<Misbehaviour>) {
        *held(&self.how) = how;
    }
    /// Where it sends those whom it sends elsewhere.
    pub(crate) fn elsewhere(&self) -> String {
        held(&self.elsewhere).clone()
    }
    pub(crate) fn redirect_to(&self, url: &str) {
        url.clone_into(&mut held(&self.elsewhere));
    }
}

/// What nobody guesses, in 43 characters of base64url.
pub(crate) fn random(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}

/// The GUID of 16 bytes.
pub(crate) fn guid(bytes: &[u8]) -> String {
    let mut text = HEXLOWER.encode(bytes);
    for dash in [20, 16, 12, 8] {
        if text.is_char_boundary(dash) {
            text.insert(dash, '-');
        }
    }
    text
}

/// What a lock holds. Whoever panicked with it left nothing half done: each change is one step.
pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
