//! Ending a connection: its tokens are given to nobody from then on; the provider is told, again and again until it has
//! answered; and then they are forgotten.

use super::Calendars;
use crate::{
    error::FlowError,
    flow::Platform,
    id::ConnectionId,
    model::Connection,
    policy::{Allows, Granted, Proof, grant},
    port::{Claim, Claiming, Disconnect, Forgotten, Revocation},
    seal::Unopened,
};

/// Connections that are read at once.
const BATCH: u16 = 100;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnected {
    /// The provider was told, where it can be, and the connection is forgotten.
    Forgotten,
    /// The provider is yet to be told. Until then the connection is listed, and gives nothing.
    Waits,
}

impl Calendars {
    /// Ends a connection, and tells its provider. Of one that was ended before, the provider is told again.
    ///
    /// # Errors
    /// [`Denial::Absent`](crate::error::Denial::Absent) for a connection that is not the caller's.
    pub async fn disconnect<R: Allows<Disconnect>>(
        &self,
        platform: &Platform,
        proof: &Proof<'_, R>,
        connection: &Connection,
    ) -> Result<Disconnected, FlowError> {
        let granted = grant::<Disconnect, R>(proof, connection)?;
        platform.stores.connections.disconnect(&granted, platform.now()).await?;
        self.tell(platform, &granted, connection).await
    }

    /// Tells the providers of all connections that are ended, and forgets transactions that are over: what is done by itself,
    /// every hour.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn upkeep(&self, platform: &Platform) -> Result<(), FlowError> {
        platform.stores.authorizations.purge(platform.now()).await?;
        let mut after: Option<ConnectionId> = None;
        loop {
            let some = platform.stores.connections.ended(after, BATCH).await?;
            for connection in &some {
                self.tell(platform, &Granted::to_service(connection), connection).await?;
            }
            match some.last() {
                Some(last) if some.len() == usize::from(BATCH) => after = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    async fn tell(
        &self,
        platform: &Platform,
        granted: &Granted<Disconnect>,
        connection: &Connection,
    ) -> Result<Disconnected, FlowError> {
        let claim = Claim::draw(platform.now(), platform.entropy.as_ref());
        let claims = &platform.stores.claims;
        let claimed = match claims.claim_ended(granted, claim, platform.now()).await? {
            Claiming::Done(claimed) => claimed,
            Claiming::Busy => return Ok(Disconnected::Waits),
            Claiming::Gone => return Ok(Disconnected::Forgotten),
        };
        let told = match self.unseal(platform, granted, &claimed).await? {
            Ok(tokens) => match self.provider(&connection.provider) {
                Some(provider) => match provider.client.revoke(&tokens.refresh).await {
                    Ok(Revocation::Revoked) => Some(Forgotten::Revoked),
                    Ok(Revocation::Unsupported) => Some(Forgotten::Unsupported),
                    Err(_) => None,
                },
                None => None,
            },
            // Nobody will open them again. What a key opens that is missing, it will once that is there.
            Err(Unopened::Altered) => Some(Forgotten::Unopened),
            Err(Unopened::UnknownKey) => None,
        };
        let at = platform.now();
        match told {
            Some(how) => {
                claims.forget(granted, claim, how, at).await?;
                Ok(Disconnected::Forgotten)
            }
            None => {
                claims.not_revoked(granted, claim, at).await?;
                Ok(Disconnected::Waits)
            }
        }
    }
}
