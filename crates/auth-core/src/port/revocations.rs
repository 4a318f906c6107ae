//! The revocation stream: what every process that serves from memory must have heard.
//!
//! Each credential that ends or is narrowed, and each key that is added, commits with the next number (no gaps, commit
//! order).
//! A process serves from memory under a lease that it renews here; [`Revocations::settled`] answers when no
//! process can serve what the number ended: each has acknowledged it, or its lease has run out.

use super::Answer;
use crate::id::{AccountId, DomainId, KeyId, PersonId, SessionId, TokenId};
use std::time::Duration;

/// A number of the stream; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub i64);

/// A process that serves from memory: 16 random bytes, new at each start, and counted up each time it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaId(pub [u8; 16]);

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// A key, and what it minted.
    Key(KeyId),
    /// A token or session.
    Token(TokenId),
    /// A session of a person, and its access tokens.
    Session(SessionId),
    /// All of a person.
    Person(PersonId),
    /// All of an account.
    Account(AccountId),
    /// All of a domain.
    Domain(DomainId),
    /// The keys that sign access tokens: read [`SigningKeys::list`](super::SigningKeys::list).
    SigningKeys,
    /// Secrets were added: read [`KeyIndex::digests_since`](super::KeyIndex::digests_since).
    NewSecrets,
}

/// One entry of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub seq: Seq,
    /// What it is about.
    pub about: About,
    /// It ended, for good; otherwise it changed and must be read again.
    pub ended: bool,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The last number that was committed before the answer.
    pub head: Seq,
    /// Whether revocations wait for this process. Read before `head`.
    pub standing: Standing,
}

/// What the list of those that must acknowledge says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a member, and the store knows that it has applied everything up to this number.
    Member(Seq),
    /// It is no member.
    Stranger,
    /// The list itself was lost: nobody is a member of it, and no revocation answers before every lease that was granted
    /// before must have run out.
    Lost,
}

/// The stream.
#[async_trait::async_trait]
pub trait Revocations: Send + Sync {
    /// Counts this process among those that must acknowledge, from `applied` on. Durable when it answers.
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()>;
    /// Waits until there may be something new after a number, and never longer than a part of a lease. It may return too
    /// early: whoever waits asks again.
    async fn news(&self, applied: Seq);
    /// The current head. Cheap where nothing happened: it is asked many times a second. A list that was lost is begun anew
    /// by whoever has seen it lost for as long as `lease`, with a margin for clocks that run apart.
    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal>;
    /// The last number that was committed before the answer.
    async fn head(&self) -> Answer<Seq>;
    /// Notices after a number, in order, at most a few thousand at once.
    async fn since(&self, after: Seq) -> Answer<Vec<Notice>>;
    /// Says that this process has applied everything up to a number. `false` where the store does not count it
    /// among those that must acknowledge.
    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool>;
    /// Waits until no process serves from memory what `seq` ended: all have acknowledged it, or `lease` has
    /// passed since the call, with a margin for clocks that run apart. Processes that stayed silent are no
    /// longer members afterwards. Where the list of them was lost, the whole time is waited.
    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()>;
    /// This process serves nothing from memory any more.
    async fn leave(&self, replica: ReplicaId) -> Answer<()>;
}
