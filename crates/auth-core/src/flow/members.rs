//! Who belongs to a domain, and in which role.

use super::{Platform, TRIES, busy};
use crate::{
    error::{Denial, FlowError},
    model::{Member, MemberId},
    policy::{Allows, GivenRole, Proof, Requirement, Role, give, grant},
    port::{AdmitMember, Change, ChangeRole, DeclineApplicant, RemoveMember},
};

/// A role within a domain that the caller may give.
fn role_in_domain<R: Requirement>(proof: &Proof<'_, R>, role: Role) -> Result<GivenRole, FlowError> {
    if role == Role::SuperAdmin {
        let reason = "expected member, is_admin or domain_owner: super_admin is of the platform".to_owned();
        return Err(FlowError::Invalid { field: "role", reason });
    }
    Ok(give(proof, role)?)
}

/// Makes whoever asked for it a member of a domain; for whoever administers the platform, anybody. Answers the member.
///
/// # Errors
/// [`Denial::Absent`] for somebody who did not ask, [`Denial::Excess`] for a role above the caller's own,
/// [`FlowError::Conflict`] for whoever is a member.
pub async fn admit_member<R: Allows<AdmitMember>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    MemberId { domain, person }: MemberId,
    role: Role,
) -> Result<Member, FlowError> {
    let role = role_in_domain(proof, role)?;
    let members = &platform.stores.members;
    let is_one = || FlowError::Conflict("the person is a member of the domain".to_owned());
    for _ in 0..TRIES {
        let Some(applicant) = members.applicant(proof.scope(), domain, person).await? else {
            let member = members.read(proof.scope(), domain, person).await?;
            return Err(member.map_or_else(|| Denial::Absent.into(), |_| is_one()));
        };
        let (granted, at) = (grant::<AdmitMember, R>(proof, &applicant)?, platform.now());
        match members.admit(&granted, role, at).await? {
            Change::Done(()) => return Ok(applicant.admitted(role.role(), at)),
            Change::Taken => return Err(is_one()),
            Change::Stale => {}
        }
    }
    Err(busy())
}

/// Gives a member of a domain another role: once this has answered, nobody accepts what they held in the one before.
///
/// # Errors
/// [`Denial::Absent`] for who is no member, [`Denial::Excess`] where the role, or the one before it, is above the
/// caller's own.
pub async fn change_role<R: Allows<ChangeRole>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    MemberId { domain, person }: MemberId,
    role: Role,
) -> Result<Member, FlowError> {
    let role = role_in_domain(proof, role)?;
    let members = &platform.stores.members;
    for _ in 0..TRIES {
        let member = members.read(proof.scope(), domain, person).await?.ok_or(Denial::Absent)?;
        give(proof, member.role)?;
        if member.role == role.role() {
            return Ok(member);
        }
        let granted = grant::<ChangeRole, R>(proof, &member)?;
        match members.change_role(&granted, member.version, role, platform.now()).await? {
            Change::Done(seq) => {
                platform.validator.settle(seq).await?;
                return Ok(Member { role: role.role(), version: member.version.next(), ..member });
            }
            Change::Stale | Change::Taken => {}
        }
    }
    Err(busy())
}

/// Removes a member from a domain, or declines whoever asked to be one: once this has answered, nobody accepts what they
/// held of the domain.
///
/// # Errors
/// [`Denial::Absent`] for who is neither, [`Denial::Excess`] where their role is above the caller's own.
pub async fn remove_from_domain<R: Allows<RemoveMember> + Allows<DeclineApplicant>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    MemberId { domain, person }: MemberId,
) -> Result<(), FlowError> {
    let members = &platform.stores.members;
    for _ in 0..TRIES {
        let (scope, at) = (proof.scope(), platform.now());
        let Some(member) = members.read(scope, domain, person).await? else {
            let applicant = members.applicant(scope, domain, person).await?;
            let asked = applicant.filter(|applicant| applicant.asked_at.is_some()).ok_or(Denial::Absent)?;
            let granted = grant::<DeclineApplicant, R>(proof, &asked)?;
            match members.decline(&granted, at).await? {
                Change::Done(()) => return Ok(()),
                Change::Stale | Change::Taken => continue,
            }
        };
        give(proof, member.role)?;
        let granted = grant::<RemoveMember, R>(proof, &member)?;
        match members.remove(&granted, member.version, at).await? {
            Change::Done(seq) => return platform.validator.settle(seq).await,
            Change::Stale | Change::Taken => {}
        }
    }
    Err(busy())
}
