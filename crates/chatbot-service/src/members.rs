//! Members of domains, and who asks to be one.

use crate::{
    Chatbot,
    domains::named,
    rules::{Owners, OwnersJustShown},
};
use auth_core::{
    flow::{admit_member, change_role, remove_from_domain},
    id::PersonId,
    model::{Address, Applicant, DomainName, Member, MemberId, Name},
    policy::{Proof, Requirement, Role},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, PageQuery, Path, Query},
    reply::{Created, Done, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A member of a domain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MemberView {
    #[schemars(with = "String")]
    user_id: PersonId,
    #[schemars(with = "String")]
    email: Address,
    /// Whether the address was shown to be theirs.
    verified: bool,
    #[schemars(with = "String")]
    name: Name,
    /// `member`, `is_admin` or `domain_owner`.
    #[schemars(with = "String")]
    role: Role,
    /// When they became a member.
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl MemberView {
    fn of(Member { id, address, name, is_verified, role, created_at, .. }: Member) -> Self {
        Self { user_id: id.person, email: address, verified: is_verified, name, role, created_at }
    }
}

/// Somebody who asks to be a member.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApplicantView {
    #[schemars(with = "String")]
    user_id: PersonId,
    #[schemars(with = "String")]
    email: Address,
    /// Whether the address was shown to be theirs.
    verified: bool,
    #[schemars(with = "String")]
    name: Name,
    #[schemars(with = "Option<String>")]
    asked_at: Option<Timestamp>,
}

impl ApplicantView {
    fn of(Applicant { id, address, name, is_verified, asked_at, .. }: Applicant) -> Self {
        Self { user_id: id.person, email: address, verified: is_verified, name, asked_at }
    }
}

/// What a path names, if the caller may see its domain.
async fn member_of<R: Requirement>(
    chatbot: &Chatbot,
    who: &Proof<'_, R>,
    (name, person): (DomainName, PersonId),
) -> Result<MemberId, Problem> {
    Ok(MemberId { domain: named(chatbot, who, &name).await?.id, person })
}

/// `GET /domains/{domain}/members`.
pub struct List;

impl Endpoint<Chatbot> for List {
    type Auth = Owners;
    type Input = (Path<DomainName>, Query<PageQuery>);
    type Output = Shown<Listed<MemberView>>;
    const SPEC: Spec = Spec::get(
        "member_list",
        "/domains/{domain}/members",
        "The members of a domain, those who registered last first.",
    );

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Owners>,
        (Path(name), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let domain = named(chatbot, &who, &name).await?.id;
        let found = chatbot.platform().stores.members.list(who.scope(), domain, page).await?;
        Ok(Shown(Listed::new(found, limit, |one| one.id.person.as_bytes().to_vec(), MemberView::of)))
    }
}

/// `GET /domains/{domain}/applicants`.
pub struct Applicants;

impl Endpoint<Chatbot> for Applicants {
    type Auth = Owners;
    type Input = (Path<DomainName>, Query<PageQuery>);
    type Output = Shown<Listed<ApplicantView>>;
    const SPEC: Spec = Spec::get(
        "applicant_list",
        "/domains/{domain}/applicants",
        "Who asks to be a member of a domain, those who registered last first.",
    );

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Owners>,
        (Path(name), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let domain = named(chatbot, &who, &name).await?.id;
        let found = chatbot.platform().stores.members.applicants(who.scope(), domain, page).await?;
        Ok(Shown(Listed::new(found, limit, |one| one.id.person.as_bytes().to_vec(), ApplicantView::of)))
    }
}

/// `GET /domains/{domain}/members/{person_id}`.
pub struct Read;

impl Endpoint<Chatbot> for Read {
    type Auth = Owners;
    type Input = Path<(DomainName, PersonId)>;
    type Output = Shown<MemberView>;
    const SPEC: Spec =
        Spec::get("member_read", "/domains/{domain}/members/{person_id}", "One member of a domain.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Owners>,
        Path(path): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let MemberId { domain, person } = member_of(chatbot, &who, path).await?;
        let found = chatbot.platform().stores.members.read(who.scope(), domain, person).await?;
        Ok(Shown(MemberView::of(found.ok_or_else(Problem::absent)?)))
    }
}

/// A role within a domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// `member`, `is_admin` or `domain_owner`, and not above the caller's own.
    #[schemars(with = "String")]
    role: Role,
}

/// `POST /domains/{domain}/members/{person_id}`.
pub struct Admit;

impl Endpoint<Chatbot> for Admit {
    type Auth = OwnersJustShown;
    type Input = (Path<(DomainName, PersonId)>, Json<RoleBody>);
    type Output = Created<MemberView>;
    const SPEC: Spec = Spec::new(
        "member_admit",
        Method::Post,
        "/domains/{domain}/members/{person_id}",
        "Makes who asked for it a member of a domain.",
    )
    .audited("member.admitted")
    .body(r#"{"role":"member"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, OwnersJustShown>,
        (Path(path), Json(RoleBody { role })): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let id = member_of(chatbot, &who, path).await?;
        Ok(Created(MemberView::of(admit_member(chatbot.platform(), &who, id, role).await?)))
    }
}

/// `PUT /domains/{domain}/members/{person_id}/role`.
pub struct ChangeRole;

impl Endpoint<Chatbot> for ChangeRole {
    type Auth = OwnersJustShown;
    type Input = (Path<(DomainName, PersonId)>, Json<RoleBody>);
    type Output = Shown<MemberView>;
    const SPEC: Spec = Spec::new(
        "member_role_change",
        Method::Put,
        "/domains/{domain}/members/{person_id}/role",
        "Gives a member another role: their sessions of the domain end.",
    )
    .audited("member.role_changed")
    .body(r#"{"role":"is_admin"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, OwnersJustShown>,
        (Path(path), Json(RoleBody { role })): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let id = member_of(chatbot, &who, path).await?;
        Ok(Shown(MemberView::of(change_role(chatbot.platform(), &who, id, role).await?)))
    }
}

/// `DELETE /domains/{domain}/members/{person_id}`.
pub struct Remove;

impl Endpoint<Chatbot> for Remove {
    type Auth = OwnersJustShown;
    type Input = Path<(DomainName, PersonId)>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "member_remove",
        Method::Delete,
        "/domains/{domain}/members/{person_id}",
        "Removes a member from a domain, or declines who asked to be one.",
    )
    .audited("member.removed");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, OwnersJustShown>,
        Path(path): Self::Input,
    ) -> Result<Done, Problem> {
        let id = member_of(chatbot, &who, path).await?;
        remove_from_domain(chatbot.platform(), &who, id).await?;
        Ok(Done)
    }
}
