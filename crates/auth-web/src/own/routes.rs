//! `GET /auth/routes`: the route table, as it is enforced.

use crate::{
    endpoint::{Endpoint, Row, Service, Spec},
    problem::Problem,
    reply::Shown,
};
use auth_core::policy::{Nobody, Proof, Requirement, Rule};
use schemars::JsonSchema;
use serde::Serialize;

/// What a service offers is no secret.
#[derive(Debug)]
pub struct Reader;

impl Requirement for Reader {
    const RULE: Rule = Rule::Public { because: "what a service offers and requires is no secret" };
    type Subject = Nobody;
}

/// One route.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RouteView {
    /// Its operation id.
    pub id: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Who may call it: `public`, or the needs of which one must be met.
    pub requirement: String,
    /// Why it is public.
    pub because: Option<&'static str>,
    /// The audit event that it leaves.
    pub audit: Option<&'static str>,
    /// Requests a minute and source.
    pub throttle: Option<u32>,
}

impl RouteView {
    /// The view of a row.
    pub fn of<S>(row: &Row<S>) -> Self {
        Self {
            id: row.spec.id,
            method: row.spec.method.name(),
            path: row.spec.path,
            summary: row.spec.summary,
            requirement: row.rule.to_string(),
            because: match row.rule {
                Rule::Public { because } => Some(because),
                Rule::AnyOf(_) => None,
            },
            audit: row.spec.audit,
            throttle: row.spec.throttle.map(std::num::NonZeroU32::get),
        }
    }
}

/// The table.
#[derive(Debug)]
pub struct Routes;

impl<S: Service> Endpoint<S> for Routes {
    type Auth = Reader;
    type Input = ();
    type Output = Shown<Vec<RouteView>>;
    const SPEC: Spec = Spec::get("auth_routes", "/auth/routes", "Every route, and what it requires.");
    async fn call(_: &S, _: Proof<'_, Reader>, (): ()) -> Result<Self::Output, Problem> {
        Ok(Shown(S::TABLE.rows().iter().map(RouteView::of).collect()))
    }
}
