//! The audit trail of the domain.

use crate::{Chatbot, rules::Audit};
use auth_core::policy::Proof;
use auth_web::{
    Endpoint, Problem, Service as _, Spec,
    input::Query,
    own::audit::{AuditQuery, EventView, list},
    reply::{Listed, Shown},
};

/// `GET /audit/events`.
pub struct Events;

impl Endpoint<Chatbot> for Events {
    type Auth = Audit;
    type Input = Query<AuditQuery>;
    type Output = Shown<Listed<EventView>>;
    const SPEC: Spec = Spec::get("audit_events", "/audit/events", "The audit trail, newest first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Audit>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(list(chatbot.platform(), who.scope(), query).await?))
    }
}
