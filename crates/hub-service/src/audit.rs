//! The audit trail of the account, and of its domains.

use crate::{Hub, rules::Audit};
use auth_core::policy::Proof;
use auth_web::{
    Endpoint, Problem, Service as _, Spec,
    input::Query,
    own::audit::{AuditQuery, EventView, list},
    reply::{Listed, Shown},
};

/// `GET /audit/events`.
pub struct Events;

impl Endpoint<Hub> for Events {
    type Auth = Audit;
    type Input = Query<AuditQuery>;
    type Output = Shown<Listed<EventView>>;
    const SPEC: Spec = Spec::get("audit_events", "/audit/events", "The audit trail, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Audit>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(list(hub.platform(), who.scope(), query).await?))
    }
}
