//! What whoever has a mailed token may do: show that the address is theirs, and set another password.

use super::{Answer, Change, Seq};
use crate::{
    credential::PasswordHash,
    model::{Person, Version},
    policy::{Action, Granted},
    time::Timestamp,
};

/// To show that an address is its person's.
#[derive(Debug)]
pub enum VerifyAddress {}
/// To set another password without the one before it.
#[derive(Debug)]
pub enum ResetPassword {}

impl Action for VerifyAddress {
    type Object = Person;
}
impl Action for ResetPassword {
    type Object = Person;
}

/// What mailed tokens do.
///
/// Each makes the person another state of themself, and is done where they are in the state that the token names and not
/// suspended: so all other tokens that were mailed before are void then, and of many who come with one at the same time, of
/// whatever processes, one does it.
#[async_trait::async_trait]
pub trait Mailed: Send + Sync {
    /// Notes that the address is its person's. *Stale* also where that was known.
    async fn verify(&self, grant: &Granted<VerifyAddress>, version: Version, at: Timestamp)
    -> Answer<Change>;
    /// Sets another password, and ends all sessions of the person. Who got the token got it at the address: that is theirs
    /// from then on, if it was not known.
    async fn reset_password(
        &self,
        grant: &Granted<ResetPassword>,
        version: Version,
        new: PasswordHash,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
}
