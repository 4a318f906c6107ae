//! What administrators of the platform do with people and domains.

use super::{Platform, TRIES, busy, mismatched};
use crate::{
    error::{Denial, FlowError},
    id::{AccountId, DomainId, PersonId},
    model::{Account, Domain, DomainName, DomainPatch, Name, NewAccount, NewDomain, Person, PersonPatch},
    policy::{Allows, GivenRole, Installation, Proof, Requirement, Role, give, grant},
    port::{
        Change, ChangeDomain, ChangePerson, CreateAccount, CreateDomain, Creation, Once, PersonChange,
        RemovePerson,
    },
};

/// The highest role that is given or taken where a person becomes another: of who administers the platform before or
/// after, that one.
fn highest<R: Requirement>(
    proof: &Proof<'_, R>,
    before: &Person,
    after: &Person,
) -> Result<GivenRole, FlowError> {
    let is_super = before.is_super_admin || after.is_super_admin;
    Ok(give(proof, if is_super { Role::SuperAdmin } else { Role::Member })?)
}

fn last_super_admin() -> FlowError {
    FlowError::Conflict("nobody else administers the platform: make another super admin first".to_owned())
}

/// Changes a person: once this has answered, nobody accepts what they held as who they were.
///
/// # Errors
/// [`Denial::Absent`]; [`Denial::Excess`] for a role above the caller's own; [`FlowError::Conflict`] where nobody would
/// administer the platform then.
pub async fn change_person<R: Allows<ChangePerson>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    id: PersonId,
    patch: &PersonPatch,
) -> Result<Person, FlowError> {
    let people = &platform.stores.people;
    for _ in 0..TRIES {
        let person = people.find(proof.scope(), id).await?.ok_or(Denial::Absent)?;
        let highest = highest(proof, &person, &patch.over(&person))?;
        let granted = grant::<ChangePerson, R>(proof, &person)?;
        match people.change(&granted, person.version, patch.clone(), highest, platform.now()).await? {
            PersonChange::Done((person, seq)) => {
                platform.validator.settle(seq).await?;
                return Ok(person);
            }
            PersonChange::LastSuperAdmin => return Err(last_super_admin()),
            PersonChange::Stale => {}
        }
    }
    Err(busy())
}

/// Removes a person, with all that is theirs: once this has answered, nobody accepts it.
///
/// # Errors
/// As [`change_person`].
pub async fn remove_person<R: Allows<RemovePerson>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    id: PersonId,
) -> Result<(), FlowError> {
    let people = &platform.stores.people;
    for _ in 0..TRIES {
        let person = people.find(proof.scope(), id).await?.ok_or(Denial::Absent)?;
        let highest = highest(proof, &person, &person)?;
        let granted = grant::<RemovePerson, R>(proof, &person)?;
        match people.remove(&granted, person.version, highest, platform.now()).await? {
            PersonChange::Done(seq) => return platform.validator.settle(seq).await,
            PersonChange::LastSuperAdmin => return Err(last_super_admin()),
            PersonChange::Stale => {}
        }
    }
    Err(busy())
}

/// Makes an account with its domains, all or nothing. `once` makes the record of an idempotent request from the new
/// account's id.
///
/// # Errors
/// [`FlowError::Invalid`] where a domain stands twice, [`FlowError::Conflict`] where the name of one is taken.
pub async fn create_account<R: Allows<CreateAccount>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    name: &Name,
    domains: &[DomainName],
    once: impl Fn(AccountId) -> Option<Once>,
) -> Result<Account, FlowError> {
    if domains.iter().enumerate().any(|(at, name)| domains.iter().take(at).any(|other| other == name)) {
        return Err(FlowError::Invalid { field: "domains", reason: "one stands twice".to_owned() });
    }
    let accounts = &platform.stores.accounts;
    let granted = grant::<CreateAccount, R>(proof, &Installation)?;
    let (at, entropy) = (platform.now(), platform.entropy.as_ref());
    let new = NewAccount { id: AccountId::draw(at, entropy), name: name.clone(), contact: None, at };
    let domain = |name: &DomainName| NewDomain { id: DomainId::draw(at, entropy), name: name.clone(), at };
    let (made, domains) = (Account::made(&new), domains.iter().map(domain).collect());
    let once = once(new.id);
    match accounts.create(&granted, new, domains, once).await? {
        Creation::Done(()) => Ok(made),
        Creation::Repeated(answer) => {
            let id = answer.parse().map_err(|_| busy())?;
            accounts.read(proof.scope(), id).await?.ok_or_else(busy)
        }
        Creation::Mismatched => Err(mismatched()),
        Creation::Taken => Err(FlowError::Conflict("one of the domains is taken".to_owned())),
        Creation::Stale | Creation::Full(_) => Err(busy()),
    }
}

/// Makes a domain of an account. `once` makes the record of an idempotent request from the new domain's id.
///
/// # Errors
/// [`FlowError::Invalid`] for an account that is not there, [`FlowError::Conflict`] for a name that is taken.
pub async fn create_domain<R: Allows<CreateDomain>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    account: AccountId,
    name: &DomainName,
    once: impl Fn(DomainId) -> Option<Once>,
) -> Result<Domain, FlowError> {
    let domains = &platform.stores.domains;
    let owner = domains.owner(proof.scope(), account).await?;
    let absent = || FlowError::Invalid { field: "account_id", reason: "no such account".to_owned() };
    let owner = owner.ok_or_else(absent)?;
    let granted = grant::<CreateDomain, R>(proof, &owner)?;
    let at = platform.now();
    let id = DomainId::draw(at, platform.entropy.as_ref());
    let new = NewDomain { id, name: name.clone(), at };
    let made = Domain::made(&owner, &new);
    match domains.create(&granted, new, once(id)).await? {
        Creation::Done(()) => Ok(made),
        Creation::Repeated(answer) => {
            let id = answer.parse().map_err(|_| busy())?;
            domains.read(proof.scope(), id).await?.ok_or_else(busy)
        }
        Creation::Mismatched => Err(mismatched()),
        Creation::Taken => Err(FlowError::Conflict(format!("the name {name} is taken"))),
        Creation::Stale | Creation::Full(_) => Err(busy()),
    }
}

/// Changes the settings of a domain.
///
/// # Errors
/// [`Denial::Absent`] for one that is not the caller's.
pub async fn change_domain<R: Allows<ChangeDomain>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    id: DomainId,
    patch: &DomainPatch,
) -> Result<Domain, FlowError> {
    let domains = &platform.stores.domains;
    for _ in 0..TRIES {
        let domain = domains.read(proof.scope(), id).await?.ok_or(Denial::Absent)?;
        let granted = grant::<ChangeDomain, R>(proof, &domain)?;
        match domains.change(&granted, domain.version, patch.clone(), platform.now()).await? {
            Change::Done(domain) => return Ok(domain),
            Change::Stale | Change::Taken => {}
        }
    }
    Err(busy())
}
