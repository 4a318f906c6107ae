//! All people, for those who administer the platform.

use crate::{Chatbot, rules::SuperAdmins};
use auth_core::{
    flow::{change_person, remove_person},
    id::PersonId,
    model::{Address, Name, Person, PersonPatch, Set, Status},
    policy::Proof,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, PageQuery, Path, Query},
    reply::{Done, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A person.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserView {
    #[schemars(with = "String")]
    id: PersonId,
    #[schemars(with = "String")]
    email: Address,
    #[schemars(with = "String")]
    name: Name,
    /// `active` or `suspended`.
    #[schemars(with = "String")]
    status: Status,
    /// Whether they administer the platform.
    super_admin: bool,
    /// When the address was shown to be theirs.
    #[schemars(with = "Option<String>")]
    verified_at: Option<Timestamp>,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl UserView {
    fn of(person: Person) -> Self {
        Self {
            id: person.id,
            email: person.address,
            name: person.name,
            status: person.status,
            super_admin: person.is_super_admin,
            verified_at: person.verified_at,
            created_at: person.created_at,
        }
    }
}

/// `GET /users`.
pub struct List;

impl Endpoint<Chatbot> for List {
    type Auth = SuperAdmins;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<UserView>>;
    const SPEC: Spec = Spec::get("user_list", "/users", "All people, those who registered last first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, SuperAdmins>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = chatbot.platform().stores.people.list(who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |person| person.id.as_bytes().to_vec(), UserView::of)))
    }
}

/// `GET /users/{person_id}`.
pub struct Read;

impl Endpoint<Chatbot> for Read {
    type Auth = SuperAdmins;
    type Input = Path<PersonId>;
    type Output = Shown<UserView>;
    const SPEC: Spec = Spec::get("user_read", "/users/{person_id}", "One person.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, SuperAdmins>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let found = chatbot.platform().stores.people.find(who.scope(), id).await?;
        Ok(Shown(UserView::of(found.ok_or_else(Problem::absent)?)))
    }
}

/// What may be changed of a person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    name: Set<Name>,
    /// `active` or `suspended`: then all their sessions end.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    status: Set<Status>,
    /// Whether they administer the platform.
    #[serde(default)]
    #[schemars(with = "Option<bool>")]
    super_admin: Set<bool>,
}

/// `PATCH /users/{person_id}`.
pub struct Change;

impl Endpoint<Chatbot> for Change {
    type Auth = SuperAdmins;
    type Input = (Path<PersonId>, Json<ChangeBody>);
    type Output = Shown<UserView>;
    const SPEC: Spec = Spec::new(
        "user_change",
        Method::Patch,
        "/users/{person_id}",
        "Renames, suspends or revives a person, or makes them a super admin or none.",
    )
    .audited("person.changed")
    .body(r#"{"status":"suspended"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, SuperAdmins>,
        (Path(id), Json(ChangeBody { name, status, super_admin })): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let patch = PersonPatch { name, status, is_super_admin: super_admin };
        Ok(Shown(UserView::of(change_person(chatbot.platform(), &who, id, &patch).await?)))
    }
}

/// `DELETE /users/{person_id}`.
pub struct Remove;

impl Endpoint<Chatbot> for Remove {
    type Auth = SuperAdmins;
    type Input = Path<PersonId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "user_remove",
        Method::Delete,
        "/users/{person_id}",
        "Removes a person, with all that is theirs.",
    )
    .audited("person.removed");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, SuperAdmins>,
        Path(id): Self::Input,
    ) -> Result<Done, Problem> {
        remove_person(chatbot.platform(), &who, id).await?;
        Ok(Done)
    }
}
