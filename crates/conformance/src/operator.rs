//! The operator's part in tests: who makes tenants and keys.

use auth_core::{
    policy::{Allows, Need, Proof, Requirement, Rule, decide},
    port::{
        ChangeDomain, ChangeKey, ChangePerson, ChangeRole, CreateAccount, CreateDomain, CreateKey,
        ImportKeys, ImportPeople, Rekey, RemovePerson, RevokeKey, RevokeToken, RotateKey, RotateSigningKey,
        SuspendAccount, SuspendDomain,
    },
    principal::{Caller, Origin, Principal},
};
use std::sync::LazyLock;

/// The operator of the machine.
#[derive(Debug)]
pub struct Operates;

impl Requirement for Operates {
    const RULE: Rule = Rule::AnyOf(&[Need::Operator]);
    type Subject = Principal;
}

macro_rules! allow {
    ($($action:ident),* $(,)?) => { $(impl Allows<$action> for Operates {})* };
}
allow!(
    ChangeDomain,
    ChangeKey,
    ChangePerson,
    ChangeRole,
    CreateAccount,
    CreateDomain,
    CreateKey,
    ImportKeys,
    ImportPeople,
    Rekey,
    RemovePerson,
    RevokeKey,
    RevokeToken,
    RotateKey,
    RotateSigningKey,
    SuspendAccount,
    SuspendDomain,
);

/// The operator's proof.
#[expect(clippy::disallowed_methods, reason = "the suite makes its tenants as the operator would")]
pub fn operator() -> Proof<'static, Operates> {
    static OPERATOR: LazyLock<Caller> = LazyLock::new(|| Caller {
        who: Some(Principal::operator()),
        origin: Origin { source: None, request_id: "conformance".to_owned() },
    });
    decide(&OPERATOR).ok().unwrap()
}

/// The proof of a requirement by a principal, for tests of the core. Their callers live as long as the test does.
#[expect(clippy::disallowed_methods, reason = "tests of the core make their own callers")]
pub fn prove<R: auth_core::policy::Requirement>(who: auth_core::principal::Principal) -> Proof<'static, R> {
    let origin = Origin { source: None, request_id: "test".to_owned() };
    decide(Box::leak(Box::new(Caller { who: Some(who), origin }))).ok().unwrap()
}
