//! `people`: who logs in, and who administers the platform.

use crate::{
    arguments::{People, Place},
    output::{Report, columns, or_dash, print},
    place::{Desk, all, failed},
};
use auth_core::{
    flow::change_person,
    id::PersonId,
    model::{Address, Login, Name, Person, PersonPatch, SessionEnd, Set, Status},
    policy::grant,
    port::EndSessions,
    time::Timestamp,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: People, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    let changed = match command {
        People::List => return print(json, &list(&desk).await?),
        People::Promote { email, unverified } => promote(&desk, &email, unverified).await?,
        People::Demote { email } => set_super_admin(&desk, &find(&desk, &email).await?.person, false).await?,
        People::Suspend { email } => set_status(&desk, &email, Status::Suspended).await?,
        People::Revive { email } => set_status(&desk, &email, Status::Active).await?,
        People::EndSessions { email } => return print(json, &Ended(end_sessions(&desk, &email).await?)),
    };
    print(json, &changed)
}

/// The person of an address, which is one person's alone.
async fn find(desk: &Desk, email: &Address) -> Result<Login, String> {
    let found = desk.stores().people.by_address(email).await.map_err(failed)?;
    found.ok_or_else(|| format!("there is no person {email}"))
}

async fn list(desk: &Desk) -> Result<Listed, String> {
    let (scope, people) = (desk.proof.scope(), &desk.stores().people);
    let found = all(async |page| people.list(scope, page).await, |one| *one.id.as_bytes()).await?;
    let mut listed = Vec::with_capacity(found.len());
    for person in found {
        // Who was removed meanwhile is in the list no more.
        let login = people.by_address(&person.address).await.map_err(failed)?;
        listed.extend(login.map(PersonView::of));
    }
    Ok(Listed(listed))
}

/// Whoever registered an address may not be whose it is: they would administer the platform.
async fn promote(desk: &Desk, email: &Address, unverified: bool) -> Result<PersonView, String> {
    let person = find(desk, email).await?.person;
    if person.verified_at.is_none() && !unverified {
        return Err(format!(
            "nobody has shown {email} to be theirs: where you know whose it is, say --unverified"
        ));
    }
    set_super_admin(desk, &person, true).await
}

async fn set_super_admin(desk: &Desk, person: &Person, wanted: bool) -> Result<PersonView, String> {
    let patch = PersonPatch { is_super_admin: Set::To(wanted), ..PersonPatch::default() };
    change(desk, person, &patch, person.is_super_admin == wanted).await
}

async fn set_status(desk: &Desk, email: &Address, wanted: Status) -> Result<PersonView, String> {
    let person = find(desk, email).await?.person;
    let patch = PersonPatch { status: Set::To(wanted), ..PersonPatch::default() };
    change(desk, &person, &patch, person.status == wanted).await
}

/// Changes a person. Where all is so already, an earlier command may have ended before it was told that no service serves what
/// it ended: that is waited for, and nothing is written.
async fn change(
    desk: &Desk,
    person: &Person,
    patch: &PersonPatch,
    is_so: bool,
) -> Result<PersonView, String> {
    let platform = desk.any();
    if is_so {
        let head = platform.stores.revocations.head().await.map_err(failed)?;
        platform.validator.settle(head).await.map_err(failed)?;
    } else {
        change_person(platform, &desk.proof, person.id, patch).await.map_err(failed)?;
    }
    Ok(PersonView::of(find(desk, &person.address).await?))
}

async fn end_sessions(desk: &Desk, email: &Address) -> Result<PersonView, String> {
    let (platform, person) = (desk.any(), find(desk, email).await?.person);
    let granted = grant::<EndSessions, _>(&desk.proof, &person).map_err(failed)?;
    let ended = platform.stores.sessions.end_all(&granted, SessionEnd::Withdrawn, platform.now()).await;
    platform.validator.settle(ended.map_err(failed)?).await.map_err(failed)?;
    Ok(PersonView::of(find(desk, email).await?))
}

#[derive(Serialize)]
struct PersonView {
    id: PersonId,
    email: Address,
    name: Name,
    status: &'static str,
    super_admin: bool,
    verified_at: Option<Timestamp>,
    /// As audit events name them.
    second_factors: Vec<&'static str>,
    created_at: Timestamp,
}

impl PersonView {
    fn of(login: Login) -> Self {
        let factors = [("totp", login.has_totp()), ("webauthn", !login.passkeys.is_empty())];
        let Person { id, address, name, status, is_super_admin, verified_at, created_at, .. } = login.person;
        Self {
            id,
            email: address,
            name,
            status: status.name(),
            super_admin: is_super_admin,
            verified_at,
            second_factors: factors.into_iter().filter_map(|(name, has)| has.then_some(name)).collect(),
            created_at,
        }
    }

    fn factors(&self) -> String {
        if self.second_factors.is_empty() { "-".to_owned() } else { self.second_factors.join(" ") }
    }
}

impl Report for PersonView {
    fn text(&self) -> String {
        let Self { email, name, status, .. } = self;
        let mut text = format!("person {email} ({name}): {status}");
        if self.super_admin {
            text.push_str(", super admin");
        }
        if self.verified_at.is_none() {
            text.push_str("; the address is yet to be shown to be theirs");
        }
        if self.super_admin && self.second_factors.is_empty() {
            text.push_str("\nthey must enrol a second factor before the role allows anything");
        }
        text
    }
}

/// A person whose sessions have ended.
#[derive(Serialize)]
#[serde(transparent)]
struct Ended(PersonView);

impl Report for Ended {
    fn text(&self) -> String {
        format!("{}\nall their sessions have ended", self.0.text())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<PersonView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |one: &PersonView| {
            [
                one.email.to_string(),
                one.id.to_string(),
                one.name.to_string(),
                one.status.to_owned(),
                if one.super_admin { "yes" } else { "-" }.to_owned(),
                or_dash(one.verified_at),
                one.factors(),
                one.created_at.to_string(),
            ]
        };
        columns(
            ["EMAIL", "PERSON", "NAME", "STATUS", "SUPER ADMIN", "VERIFIED", "SECOND FACTORS", "CREATED"],
            self.0.iter().map(row),
        )
    }
}
