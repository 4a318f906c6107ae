//! A service whose routes have handlers that do the same: one behind an API key, two public.

use auth_core::{
    flow::Platform,
    policy::{Need, Nobody, Permission, Proof, Requirement, Rule},
    principal::KeyPrincipal,
    service::Service as Kind,
};
use auth_web::{Endpoint, Problem, Service, Spec, Table, reply::Shown, row};
use schemars::JsonSchema;
use serde::Serialize;

/// The route that asks for a key.
pub const GUARDED: &str = "/reports/guarded";
/// The routes that anybody may call, as long as the other. The router looks at one of them before it and at one
/// after it: what is sent to both in turns costs the router the same.
pub const UNGUARDED: [&str; 2] = [BEFORE, AFTER];
const BEFORE: &str = "/reports/anybody";
const AFTER: &str = "/reports/visitor";

/// The service.
pub struct Reports {
    /// Its core.
    pub platform: Platform,
}

impl Service for Reports {
    const KIND: Kind = Kind::Hub;
    const TABLE: Table<Self> = Table(&[row::<Self, Guarded>(), row::<Self, Before>(), row::<Self, After>()]);
    fn platform(&self) -> &Platform {
        &self.platform
    }
}

/// An API key that may read bills.
#[derive(Debug)]
pub struct ReadsBilling;

impl Requirement for ReadsBilling {
    const RULE: Rule = Rule::AnyOf(&[Need::Key(Kind::Hub, Permission::BillingAccess)]);
    type Subject = KeyPrincipal;
}

/// Nothing.
#[derive(Debug)]
pub struct Open;

impl Requirement for Open {
    const RULE: Rule = Rule::Public { because: "it is what the guarded route is measured against" };
    type Subject = Nobody;
}

/// What all routes answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    title: &'static str,
    calls: u32,
    minutes: u32,
    cents: u32,
}

impl Report {
    const fn read() -> Self {
        Self {
            title: "The calls of this month, and what they cost so far.",
            calls: 42,
            minutes: 118,
            cents: 2360,
        }
    }
}

struct Guarded;

impl Endpoint<Reports> for Guarded {
    type Auth = ReadsBilling;
    type Input = ();
    type Output = Shown<Report>;
    const SPEC: Spec = Spec::get("report_guarded", GUARDED, "The report, for a key.");
    async fn call(_: &Reports, _: Proof<'_, ReadsBilling>, (): ()) -> Result<Self::Output, Problem> {
        Ok(Shown(Report::read()))
    }
}

macro_rules! unguarded {
    ($name:ident, $id:literal, $path:expr) => {
        struct $name;

        impl Endpoint<Reports> for $name {
            type Auth = Open;
            type Input = ();
            type Output = Shown<Report>;
            const SPEC: Spec = Spec::get($id, $path, "The report, for anybody.");
            async fn call(_: &Reports, _: Proof<'_, Open>, (): ()) -> Result<Self::Output, Problem> {
                Ok(Shown(Report::read()))
            }
        }
    };
}
unguarded!(Before, "report_before", BEFORE);
unguarded!(After, "report_after", AFTER);
