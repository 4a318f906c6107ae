//! Health.

use crate::{
    endpoint::{Endpoint, Service, Spec},
    problem::{Kind, Problem},
    reply::Shown,
};
use auth_core::policy::{Nobody, Proof, Requirement, Rule};
use schemars::JsonSchema;
use serde::Serialize;

/// How often one address may ask whether a service is ready: each time, the store is asked as well.
const ASKED_PER_MINUTE: u32 = 600;

/// Health is asked by probes that hold no credential.
#[derive(Debug)]
pub struct Probe;

impl Requirement for Probe {
    const RULE: Rule = Rule::Public { because: "probes hold no credential, and are told nothing but that" };
    type Subject = Nobody;
}

/// How the service is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
}

/// The process answers.
#[derive(Debug)]
pub struct Live;

impl<S: Service> Endpoint<S> for Live {
    type Auth = Probe;
    type Input = ();
    type Output = Shown<Health>;
    const SPEC: Spec = Spec::get("health_live", "/health/live", "The process answers.");
    async fn call(_: &S, _: Proof<'_, Probe>, (): ()) -> Result<Self::Output, Problem> {
        Ok(Shown(Health { status: "ok" }))
    }
}

/// The service can do its work.
#[derive(Debug)]
pub struct Ready;

impl<S: Service> Endpoint<S> for Ready {
    type Auth = Probe;
    type Input = ();
    type Output = Shown<Health>;
    const SPEC: Spec =
        Spec::get("health_ready", "/health/ready", "The store answers and the revocation stream is live.")
            .throttled(ASKED_PER_MINUTE);
    async fn call(service: &S, _: Proof<'_, Probe>, (): ()) -> Result<Self::Output, Problem> {
        let platform = service.platform();
        platform.stores.revocations.head().await?;
        if !platform.validator.is_current() {
            return Err(Problem::new(Kind::Unavailable, "The revocation stream is not live."));
        }
        if !service.is_ready() {
            return Err(Problem::new(Kind::Unavailable, "No key signs yet."));
        }
        Ok(Shown(Health { status: "ok" }))
    }
}
