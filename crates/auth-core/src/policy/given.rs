//! Nobody gives a role above their own.

use super::{Excess, Proof, Requirement, Role};
use crate::principal::Principal;

/// A role that is not above that of whoever gives it, or takes it away. Only [`give`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenRole(Role);

impl GivenRole {
    /// The role.
    pub const fn role(self) -> Role {
        self.0
    }
}

/// A role that a caller may give, and take away.
///
/// # Errors
/// [`Excess::Role`] for one above their own. The operator's is above all; who is no person has none.
pub fn give<R: Requirement>(proof: &Proof<'_, R>, role: Role) -> Result<GivenRole, Excess> {
    let own = match proof.principal() {
        Some(Principal::Operator) => Some(Role::SuperAdmin),
        Some(Principal::Person(person)) => person.role,
        Some(Principal::Key(_) | Principal::Token(_)) | None => None,
    };
    if own.is_some_and(|own| own >= role) { Ok(GivenRole(role)) } else { Err(Excess::Role(role)) }
}
