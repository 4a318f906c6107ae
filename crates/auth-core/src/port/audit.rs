//! The audit trail, read; writes ride in the commands of the other ports.

use super::Answer;
use crate::{
    audit::{Chained, Entry, Head},
    policy::Scope,
    time::Timestamp,
};

/// Which entries to read.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Exactly this actor.
    pub actor: Option<String>,
    /// Exactly this action, such as `key.created`.
    pub action: Option<String>,
    /// Events that name this object.
    pub target: Option<String>,
}

/// The audit trail.
#[async_trait::async_trait]
pub trait AuditTrail: Send + Sync {
    /// Entries within the scope, newest first, with numbers below `before`.
    async fn list(
        &self,
        scope: Scope,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u16,
    ) -> Answer<Vec<Chained>>;
    /// Entries from a number on, oldest first: to check the chain. One consistent read of `limit` rows.
    async fn scan(&self, from: i64, limit: u16) -> Answer<Vec<Chained>>;
    /// The head that the store keeps.
    async fn head(&self) -> Answer<Head>;
    /// Appends entries, all or none: refusals and other events that no command carries.
    async fn append(&self, entries: Vec<Entry>) -> Answer<()>;
}
