//! The one place where somebody becomes the operator of the machine.

use auth_core::{
    policy::{Allows, Need, Proof, Requirement, Rule, decide},
    port::{
        ChangeDomain, ChangePerson, CreateAccount, CreateDomain, CreateKey, CreateSuperAdmin, CreateUser,
        EndSessions, ImportKeys, ImportPeople, Rekey, RevokeKey, RotateKey, RotateSigningKey, SuspendAccount,
        SuspendDomain,
    },
    principal::{Caller, Origin, Principal},
};
use std::sync::LazyLock;

/// What the commands here require.
#[derive(Debug)]
pub(crate) struct Operates;

impl Requirement for Operates {
    const RULE: Rule = Rule::AnyOf(&[Need::Operator]);
    type Subject = Principal;
}

macro_rules! allow {
    ($($action:ident),* $(,)?) => { $(impl Allows<$action> for Operates {})* };
}
allow!(
    ChangeDomain,
    ChangePerson,
    CreateAccount,
    CreateDomain,
    CreateKey,
    CreateSuperAdmin,
    CreateUser,
    EndSessions,
    ImportKeys,
    ImportPeople,
    Rekey,
    RevokeKey,
    RotateKey,
    RotateSigningKey,
    SuspendAccount,
    SuspendDomain,
);

/// The proof that whoever runs this program with access to the store's file is its operator.
#[expect(clippy::disallowed_methods, reason = "this is the program that acts as the operator")]
pub(crate) fn operator() -> Result<Proof<'static, Operates>, String> {
    static OPERATOR: LazyLock<Caller> = LazyLock::new(|| Caller {
        who: Some(Principal::operator()),
        origin: Origin { source: None, request_id: "authctl".to_owned() },
    });
    decide(&OPERATOR).map_err(|denial| denial.to_string())
}
