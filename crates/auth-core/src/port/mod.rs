//! What a store must promise: one trait a concern, each method one atomic command.
//!
//! Rules for every implementation:
//! - what is done for a caller takes a [`Granted`](crate::policy::Granted) to write, and a
//!   [`Scope`](crate::policy::Scope) or the digest of a secret to read; what takes neither is the platform's own (its
//!   membership, uses, refusals, what is over) or says nothing but what a stranger may know (a widget's home);
//! - identifiers, digests and times come from the core;
//! - expected outcomes are variants, errors are for a store that cannot answer;
//! - the audit entry of a write commits with it, or neither does;
//! - a write that ends or narrows a credential, or adds a key, commits with the next number of the
//!   [`Revocations`] stream, and answers that number.

mod accounts;
mod attempts;
mod audit;
mod authorizations;
mod calendar_provider;
mod calls;
mod connections;
mod domains;
mod factors;
mod keys;
mod mailed;
mod members;
mod one_time;
mod passwords;
mod pause;
mod people;
mod post;
mod revocations;
mod sessions;
mod signing_keys;
mod token_issuer;
mod tokens;
mod users;
mod vault;

pub use accounts::{Accounts, ChangeAccount, CreateAccount, SuspendAccount};
pub use attempts::Attempts;
pub use audit::{AuditFilter, AuditTrail};
pub use authorizations::{Authorizations, BeginAuthorization, Callback, MOST_OPEN};
pub use calendar_provider::{
    AuthorizationRequest, CalendarEvent, CalendarProvider, EventPage, EventQuery, EventTime, ProviderError,
    ProviderFacts, Revocation, TokenAnswer,
};
pub use calls::{Calls, CancelCall, StartCall};
pub use connections::{
    CLAIM, Claim, Claiming, Claims, Connect, Connecting, Connections, Disconnect, Forgotten, Outcome,
    Renewed, Renewing, UseConnection,
};
pub use domains::{ChangeDomain, CreateDomain, Domains, SuspendDomain};
pub use factors::{DrawRecoveryCodes, EnrolTotp, Factors, RemovePasskey, RemoveTotp};
pub use keys::{ChangeKey, CreateKey, FoundKey, ImportKeys, KeyIndex, Keys, Limits, RevokeKey, RotateKey};
pub use mailed::{Mailed, ResetPassword, VerifyAddress};
pub use members::{AdmitMember, ChangeRole, DeclineApplicant, Members, RemoveMember};
pub use one_time::{NewOneTime, OneTime, Purpose};
pub use passwords::Passwords;
pub use pause::Pause;
pub use people::{
    ChangePassword, ChangePerson, CreateSuperAdmin, Ends, ImportPeople, People, PersonChange, Register,
    RemovePerson,
};
pub use post::{Content, Letter, Occasion, Post, Undelivered};
pub use revocations::{About, Notice, Renewal, ReplicaId, Revocations, Seq, Standing};
pub use sessions::{BeginSession, EndSession, EndSessions, FoundSession, Rotation, Sessions};
pub use signing_keys::{RotateSigningKey, SigningKeys};
pub use token_issuer::TokenIssuer;
pub use tokens::{FoundToken, MOST_OPENED, MintToken, OpenSession, RevokeToken, Tokens};
pub use users::{ChangeUser, CreateUser, RemoveUser, Users};
pub use vault::{KeySource, Rekey, Vault, VaultKey};

use crate::{error::StoreError, secret::TokenDigest, time::Timestamp};
use std::sync::Arc;

/// What a port answers.
pub type Answer<T> = Result<T, StoreError>;

/// Every port of one store. Chosen once, at start.
#[derive(Clone)]
pub struct Stores {
    /// Accounts of the Hub.
    pub accounts: Arc<dyn Accounts>,
    /// Users of the accounts.
    pub users: Arc<dyn Users>,
    /// Transactions of authorization with providers of calendars.
    pub authorizations: Arc<dyn Authorizations>,
    /// Connections of users with such providers.
    pub connections: Arc<dyn Connections>,
    /// What is done with a provider, by one at a time.
    pub claims: Arc<dyn Claims>,
    /// The keys that seal the tokens of connections.
    pub vault: Arc<dyn Vault>,
    /// Domains of the chatbot service.
    pub domains: Arc<dyn Domains>,
    /// Members of the domains.
    pub members: Arc<dyn Members>,
    /// API keys, managed.
    pub keys: Arc<dyn Keys>,
    /// API keys, looked up.
    pub key_index: Arc<dyn KeyIndex>,
    /// Temporary tokens and sessions.
    pub tokens: Arc<dyn Tokens>,
    /// What is good once.
    pub one_time: Arc<dyn OneTime>,
    /// Calls.
    pub calls: Arc<dyn Calls>,
    /// The audit trail.
    pub audit: Arc<dyn AuditTrail>,
    /// People.
    pub people: Arc<dyn People>,
    /// Sessions of people.
    pub sessions: Arc<dyn Sessions>,
    /// Second factors of people.
    pub factors: Arc<dyn Factors>,
    /// What mailed tokens do.
    pub mailed: Arc<dyn Mailed>,
    /// Counts of guesses.
    pub attempts: Arc<dyn Attempts>,
    /// The keys that sign access tokens.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// The revocation stream.
    pub revocations: Arc<dyn Revocations>,
}

/// The outcome of making something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation<T = ()> {
    /// It was made.
    Done(T),
    /// The same request was answered before, with this.
    Repeated(String),
    /// The idempotency key was used for another request.
    Mismatched,
    /// Its name or address is taken.
    Taken,
    /// What it hangs on changed or ended meanwhile.
    Stale,
    /// There are as many as may be, until this time.
    Full(Timestamp),
}

/// The outcome of changing something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T = ()> {
    /// It was changed.
    Done(T),
    /// It is not in the state that was read, or the key whose rights bound the change is not.
    Stale,
    /// Another one has that name or address.
    Taken,
}

/// A request that may be sent twice (`Idempotency-Key`): recorded in the transaction of what it makes, and
/// kept for 24 hours.
#[derive(Debug, Clone)]
pub struct Once {
    /// Digest of caller, route and the caller's key.
    pub key: TokenDigest,
    /// Digest of the body.
    pub body: TokenDigest,
    /// What a repetition is answered with; no secret is in it.
    pub answer: String,
}
