//! The Hub's user records.

use crate::{
    Hub,
    rules::{Users, own_account},
};
use auth_core::{
    flow::mismatched,
    id::{AccountId, UserId},
    model::{Email, Name, NewUser, Set, User, UserPatch},
    policy::{Granted, Proof, grant},
    port::{Change as Changed, ChangeUser, CreateUser, Creation, RemoveUser},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    problem::Kind,
    reply::{Done, Listed, Once, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserView {
    #[schemars(with = "String")]
    user_id: UserId,
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    name: Name,
    #[schemars(with = "String")]
    email: Email,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl UserView {
    fn of(user: User) -> Self {
        Self {
            user_id: user.id,
            account_id: user.account,
            name: user.name,
            email: user.email,
            created_at: user.created_at,
        }
    }
}

fn taken() -> Problem {
    Problem::new(Kind::Conflict, "A user of this account has that address.")
}

/// A user to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    #[schemars(with = "String")]
    name: Name,
    #[schemars(with = "String")]
    email: Email,
}

/// `POST /accounts/{account_id}/users`.
pub struct Create;

impl Endpoint<Hub> for Create {
    type Auth = Users;
    type Input = (Path<AccountId>, Idempotency, Json<CreateBody>);
    type Output = Once<UserView, 201>;
    const SPEC: Spec =
        Spec::new("user_create", Method::Post, "/accounts/{account_id}/users", "Makes a user record.")
            .audited("user.created")
            .body(r#"{"name":"Alice","email":"alice@example.com"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Users>,
        (Path(account_id), idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, account_id)?;
        let platform = hub.platform();
        let at = platform.now();
        let user_id = UserId::draw(at, platform.entropy.as_ref());
        let view = UserView {
            user_id,
            account_id,
            name: body.name.clone(),
            email: body.email.clone(),
            created_at: at,
        };
        let answer = serde_json::to_string(&view).unwrap_or_default();
        let once = idempotency.once(&account_id, Self::SPEC.id, &body, answer);
        let new = NewUser { id: user_id, name: body.name, email: body.email, at };
        let grant = Granted::<CreateUser>::own(&who)?;
        match platform.stores.users.create(&grant, new, once).await? {
            Creation::Done(()) => Ok(Once::Now(view)),
            Creation::Repeated(answer) => Ok(Once::Before(answer)),
            Creation::Mismatched => Err(mismatched().into()),
            Creation::Taken => Err(taken()),
            Creation::Stale | Creation::Full(_) => {
                Err(Problem::new(Kind::Conflict, "The user was not stored. Try again."))
            }
        }
    }
}

/// `GET /accounts/{account_id}/users`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = Users;
    type Input = (Path<AccountId>, Query<PageQuery>);
    type Output = Shown<Listed<UserView>>;
    const SPEC: Spec = Spec::get("user_list", "/accounts/{account_id}/users", "The users, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Users>,
        (Path(account), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, account)?;
        let (limit, page) = query.page()?;
        let found = hub.platform().stores.users.list(who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |user| user.id.as_bytes().to_vec(), UserView::of)))
    }
}

async fn read(
    hub: &Hub,
    who: &Proof<'_, Users>,
    (account, id): (AccountId, UserId),
) -> Result<User, Problem> {
    own_account(who, account)?;
    hub.platform().stores.users.read(who.scope(), id).await?.ok_or_else(Problem::absent)
}

/// `GET /accounts/{account_id}/users/{user_id}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = Users;
    type Input = Path<(AccountId, UserId)>;
    type Output = Shown<UserView>;
    const SPEC: Spec = Spec::get("user_read", "/accounts/{account_id}/users/{user_id}", "One user.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Users>,
        Path(path): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(UserView::of(read(hub, &who, path).await?)))
    }
}

/// What may be changed of a user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    name: Set<Name>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    email: Set<Email>,
}

/// `PATCH /accounts/{account_id}/users/{user_id}`.
pub struct Change;

impl Endpoint<Hub> for Change {
    type Auth = Users;
    type Input = (Path<(AccountId, UserId)>, Json<ChangeBody>);
    type Output = Shown<UserView>;
    const SPEC: Spec = Spec::new(
        "user_change",
        Method::Patch,
        "/accounts/{account_id}/users/{user_id}",
        "Changes a user record.",
    )
    .audited("user.changed")
    .body(r#"{"name":"Alice B."}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Users>,
        (Path(path), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = hub.platform();
        let user = read(hub, &who, path).await?;
        let granted = grant::<ChangeUser, _>(&who, &user)?;
        let patch = UserPatch { name: body.name, email: body.email };
        match platform.stores.users.change(&granted, user.version, patch, platform.now()).await? {
            Changed::Done(user) => Ok(Shown(UserView::of(user))),
            Changed::Taken => Err(taken()),
            Changed::Stale => {
                Err(Problem::new(Kind::Conflict, "The user was changed at the same time. Try again."))
            }
        }
    }
}

/// `DELETE /accounts/{account_id}/users/{user_id}`.
pub struct Remove;

impl Endpoint<Hub> for Remove {
    type Auth = Users;
    type Input = Path<(AccountId, UserId)>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "user_remove",
        Method::Delete,
        "/accounts/{account_id}/users/{user_id}",
        "Removes a user record.",
    )
    .audited("user.removed");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Users>,
        Path(path): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = hub.platform();
        let user = read(hub, &who, path).await?;
        let granted = grant::<RemoveUser, _>(&who, &user)?;
        if platform.stores.users.remove(&granted, platform.now()).await? {
            Ok(Done)
        } else {
            Err(Problem::absent())
        }
    }
}
