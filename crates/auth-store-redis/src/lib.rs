//! What is good once, and the push of the revocation stream, on Redis: a single server, one that sentinels name, or a
//! cluster. All that must not be forgotten is in the durable store beside it (ADR 5).

mod address;
mod one_time;
mod push;
mod server;
mod servers;

pub use address::Address;
use auth_core::{error::StoreError, port::Stores, secret::TokenDigest};
use push::Pushed;
use server::Life;
use servers::Servers;
use std::{sync::Arc, time::Duration};

/// How long an answer of Redis is waited for: it takes a small part of a millisecond.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Store {
    servers: Arc<Servers>,
}

/// A Redis that answers.
pub struct Redis(Arc<Servers>);

impl Redis {
    /// Connects, and reads under a name that nobody has: whoever may not is told so here.
    ///
    /// # Errors
    /// One line that says why it cannot be used; the password is not in it.
    pub async fn connect(address: Address) -> Result<Self, StoreError> {
        let servers = Servers::new(address);
        let nobody = |_: &Life| {
            let mut read = redis::cmd("GETDEL");
            read.arg("auth:{00}:nobody");
            read
        };
        let _: Option<Vec<u8>> = servers.ask(&TokenDigest::from_bytes([0; 32]), nobody).await?;
        Ok(Self(Arc::new(servers)))
    }

    /// A durable store, with Redis for what is ephemeral. To be called in a runtime, which then keeps its tasks.
    pub fn beside(self, durable: Stores) -> Stores {
        let revocations = Arc::new(Pushed::start(Arc::clone(&durable.revocations), &self.0));
        Stores { one_time: Arc::new(Store { servers: self.0 }), revocations, ..durable }
    }
}
