//! Ending a connection: its tokens are given to nobody from then on; the provider is told, again and again until it has
//! answered; and then they are forgotten.

use super::Calendars;
use crate::{
    error::FlowError,
    flow::Platform,
    id::ConnectionId,
    policy::Granted,
    port::{Claim, Claiming, Disconnect, Forgotten, Revocation},
    seal::Unopened,
};

/// Connections that are read at once.
const BATCH: u16 = 100;
/// How often a provider is told in vain: for a month, where one process does so every hour and nobody asks for it.
const MOST_TRIES: u32 = 30 * 24;

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
    /// To be run to its end, as [`access_token`](Self::access_token).
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn disconnect(
        &self,
        platform: &Platform,
        granted: &Granted<Disconnect>,
    ) -> Result<Disconnected, FlowError> {
        platform.stores.connections.disconnect(granted, platform.now()).await?;
        self.tell(platform, granted).await
    }

    /// Tells the providers of all connections that are ended, and forgets transactions that are over: what is done by itself,
    /// every hour. Where one cannot be told, the others are.
    ///
    /// # Errors
    /// What failed last.
    pub async fn upkeep(&self, platform: &Platform) -> Result<(), FlowError> {
        let mut outcome = platform.stores.authorizations.purge(platform.now()).await.map_err(FlowError::from);
        let mut after: Option<ConnectionId> = None;
        loop {
            let some = platform.stores.connections.ended(after, BATCH).await?;
            for connection in &some {
                let told = self.tell(platform, &Granted::to_service(connection)).await;
                outcome = told.map(drop).and(outcome);
            }
            match some.last() {
                Some(last) if some.len() == usize::from(BATCH) => after = Some(last.id),
                _ => return outcome,
            }
        }
    }

    async fn tell(
        &self,
        platform: &Platform,
        granted: &Granted<Disconnect>,
    ) -> Result<Disconnected, FlowError> {
        let claim = Claim::draw(platform.now(), platform.entropy.as_ref());
        let claims = &platform.stores.claims;
        let claimed = match claims.claim_ended(granted, claim, platform.now()).await? {
            Claiming::Done(claimed) => claimed,
            Claiming::Busy => return Ok(Disconnected::Waits),
            Claiming::Gone => return Ok(Disconnected::Forgotten),
        };
        let told = match self.unseal(platform, granted, &claimed).await? {
            Ok(tokens) => match self.provider_of(&claimed.connection) {
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
        // Whoever granted it can end it there: nobody else's calendar waits for that for ever.
        let told =
            told.or((claimed.connection.failed_revocations >= MOST_TRIES).then_some(Forgotten::GivenUp));
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
