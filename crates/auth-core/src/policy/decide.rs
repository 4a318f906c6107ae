//! The one decision function.

use super::{
    Assurance, Need, Proof, Requirement, Rule,
    proof::{self, Subject},
};
use crate::{
    error::{Denial, Refusal},
    principal::{Caller, Principal},
};

/// What a rule says of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Admitted without a credential.
    Public,
    /// Admitted by this need.
    Met(Need),
    /// No credential was presented, and one is needed.
    NoCredential,
    /// The credential is good, and meets none of these.
    Lacking(&'static [Need]),
    /// It is the right person's, who must prove themself so strongly, or again.
    StepUp(Assurance),
}

/// Judges a caller by a rule: a pure function of both. Whatever is not admitted here is refused.
#[inline]
pub fn judge(rule: Rule, who: Option<&Principal>) -> Verdict {
    match (rule, who) {
        (Rule::Public { .. }, _) => Verdict::Public,
        (Rule::AnyOf(_), None) => Verdict::NoCredential,
        (Rule::AnyOf(needs), Some(who)) => needs
            .iter()
            .find(|need| need.is_met_by(who))
            .map_or_else(|| unmet(needs, who), |need| Verdict::Met(*need)),
    }
}

#[cold]
fn unmet(needs: &'static [Need], who: &Principal) -> Verdict {
    let proof = needs.iter().find_map(|need| need.missing_proof(who));
    proof.map_or(Verdict::Lacking(needs), Verdict::StepUp)
}

/// Judges a caller by a requirement, and makes the proof that its handlers take.
///
/// # Errors
/// [`Denial`] where the rule does not admit the caller.
#[inline]
pub fn decide<R: Requirement>(caller: &Caller) -> Result<Proof<'_, R>, Denial> {
    let who = caller.who.as_ref();
    match judge(R::RULE, who) {
        Verdict::Public | Verdict::Met(_) => match R::Subject::of(who) {
            Some(subject) => Ok(proof::made(subject, caller)),
            None => Err(Denial::Forbidden { missing: &[] }),
        },
        Verdict::NoCredential => Err(Denial::Unauthenticated(Refusal::NoCredential)),
        Verdict::Lacking(missing) => Err(Denial::Forbidden { missing }),
        Verdict::StepUp(proof) => Err(Denial::StepUp(proof)),
    }
}
