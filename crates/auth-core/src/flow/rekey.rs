//! Sealing everything in the vault with its newest key, while services use it.

use super::Platform;
use crate::{
    audit::{Entry, Event},
    error::FlowError,
    id::ConnectionId,
    policy::{Allows, Installation, Proof, grant},
    port::Rekey,
    seal::{KeyName, Unopened},
    vault::{Place, Vault},
};

/// Connections that are read at once.
const BATCH: u16 = 100;

/// What became of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The newest key: it seals everything that opens.
    pub key: KeyName,
    /// How many connections were sealed anew.
    pub resealed: u64,
    /// Those whose tokens do not open, and why: they stay as they are.
    pub unopened: Vec<(ConnectionId, Unopened)>,
    /// Older keys that are needed still, since something is sealed with them.
    pub needed: Vec<KeyName>,
}

/// Seals with the newest key whatever another one sealed, and takes from the vault the keys that seal nothing any more. It
/// is told after each connection how many of how many are done. Broken off, it is run again, and goes on where it was.
///
/// # Errors
/// The store does not answer.
pub async fn rekey<R: Allows<Rekey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    vault: &Vault,
    mut told: impl FnMut(u64, u64) + Send,
) -> Result<Rekeyed, FlowError> {
    let granted = grant::<Rekey, R>(proof, &Installation)?;
    let (store, newest) = (&platform.stores.vault, vault.newest());
    let all = store.count_sealed_before(newest).await?;
    let (mut seen, mut resealed, mut unopened, mut after) = (0, 0, Vec::new(), None);
    loop {
        let some = store.sealed_before(newest, after, BATCH).await?;
        for stored in &some {
            let (id, place) = (stored.connection.id, Place::of(&stored.connection));
            match vault.unseal(&place, &stored.tokens, platform.clock.as_ref()) {
                Ok(tokens) => {
                    let sealed = vault.seal(&place, &tokens, platform.entropy.as_ref());
                    // Where others lie there by now, a service has sealed them: if not with this key, its own stays needed.
                    resealed += u64::from(store.reseal(&granted, id, &stored.tokens, sealed).await?);
                }
                Err(why) => {
                    let event = Event::VaultUnopened { connection: id, why: why.name() };
                    let entry = Entry::granted(platform.now(), &granted, &event);
                    platform.stores.audit.append(vec![entry]).await?;
                    unopened.push((id, why));
                }
            }
            seen += 1;
            told(seen, all);
        }
        match some.last() {
            Some(last) => after = Some(last.connection.id),
            None => break,
        }
    }
    let needed = store.retire_keys(&granted, newest, platform.now()).await?;
    Ok(Rekeyed { key: newest, resealed, unopened, needed })
}
