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
