//! Second factors of people. They are used up where a session begins: see [`Sessions::begin`](super::Sessions::begin).

use super::{Answer, Change, Seq};
use crate::{
    id::{PasskeyId, PersonId, SessionId},
    model::Person,
    policy::{Action, Granted, OwnTarget},
    principal::Principal,
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};

/// To enrol an authenticator.
#[derive(Debug)]
pub enum EnrolTotp {}
/// To remove the authenticator.
#[derive(Debug)]
pub enum RemoveTotp {}
/// To remove a passkey.
#[derive(Debug)]
pub enum RemovePasskey {}
/// To draw recovery codes.
#[derive(Debug)]
pub enum DrawRecoveryCodes {}

macro_rules! on_oneself {
    ($($action:ident),*) => {
        $(
            impl Action for $action {
                type Object = Person;
            }
            impl OwnTarget for $action {
                fn own(who: &Principal) -> Option<PersonId> {
                    match who {
                        Principal::Person(person) => Some(person.person),
                        _ => None,
                    }
                }
            }
        )*
    };
}
on_oneself!(EnrolTotp, RemoveTotp, RemovePasskey, DrawRecoveryCodes);

/// Second factors.
#[async_trait::async_trait]
pub trait Factors: Send + Sync {
    /// Whether neither authenticator nor passkey is kept, so that nothing was sealed for one.
    async fn is_empty(&self) -> Answer<bool>;
    /// Keeps the secret of an authenticator that a session is enrolling, in place of one that was not confirmed. *Taken*
    /// where there is one that was; *stale* where the session has ended.
    async fn enrol(
        &self,
        grant: &Granted<EnrolTotp>,
        secret: Sealed,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change>;
    /// Removes the authenticator, and ends all sessions of the person. *Stale* where there is none, or the session that asks
    /// has ended. With the last factor go the recovery codes.
    async fn remove(
        &self,
        grant: &Granted<RemoveTotp>,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// Removes a passkey of the person, in the same way.
    async fn remove_passkey(
        &self,
        grant: &Granted<RemovePasskey>,
        id: PasskeyId,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// Puts these in place of the recovery codes. *Stale* where the person has no factor to recover, or the session that
    /// asks has ended.
    async fn replace_recovery_codes(
        &self,
        grant: &Granted<DrawRecoveryCodes>,
        session: SessionId,
        digests: Vec<TokenDigest>,
        at: Timestamp,
    ) -> Answer<Change>;
}
