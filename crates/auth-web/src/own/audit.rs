//! Reading the audit trail: what both services answer.

use crate::{
    input::{from_cursor, limit},
    problem::Problem,
    reply::Listed,
};
use auth_core::{audit::Chained, flow::Platform, policy::Scope, port::AuditFilter, time::Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which events to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Not before (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// Before (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
    /// Exactly this actor, such as `key:<id>`.
    pub actor: Option<String>,
    /// Exactly this action, such as `key.created`.
    pub action: Option<String>,
    /// Events that name this identifier.
    pub target: Option<String>,
    /// At most this many: 1 to 200, by default 50.
    pub limit: Option<u16>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// One event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventView {
    /// Its number in the trail.
    pub seq: i64,
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The caller's address.
    pub source: String,
    /// The request.
    pub request_id: String,
    /// What happened: `action`, and what that action names.
    pub event: serde_json::Value,
    /// Its hash in the chain.
    pub link: String,
}

impl EventView {
    fn of(found: Chained) -> Self {
        Self {
            seq: found.seq,
            at: found.entry.at,
            actor: found.entry.actor,
            source: found.entry.source,
            request_id: found.entry.request_id,
            event: serde_json::from_str(&found.entry.event).unwrap_or_default(),
            link: found.link.to_string(),
        }
    }
}

/// The events within a scope, newest first.
///
/// # Errors
/// A limit or cursor that is none; the store's.
pub async fn list(
    platform: &Platform,
    scope: Scope,
    query: AuditQuery,
) -> Result<Listed<EventView>, Problem> {
    let limit = limit(query.limit)?;
    let before = query.cursor.map(|cursor| from_cursor(&cursor)).transpose()?.map(i64::from_be_bytes);
    let AuditQuery { from, to, actor, action, target, .. } = query;
    let filter = AuditFilter { from, to, actor, action, target };
    let found = platform.stores.audit.list(scope, &filter, before, limit).await?;
    Ok(Listed::new(found, limit, |last| last.seq.to_be_bytes().to_vec(), EventView::of))
}
