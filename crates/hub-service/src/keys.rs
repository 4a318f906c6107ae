//! The Hub's API keys.

use crate::{
    Hub,
    rules::{KeyKeepers, Keys},
};
use auth_core::{
    flow::{Verified, verify_key},
    id::KeyId,
    policy::{Granted, Permission, Proof, grant},
    port::CreateKey,
    principal::{Principal, Tenant},
    service::Service,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    own::keys::{self, ChangeBody, CreateBody, KeyView, NewKeyView, RotateBody, RotatedView},
    reply::{Created, Done, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /api-keys`.
pub struct Create;

impl Endpoint<Hub> for Create {
    type Auth = KeyKeepers;
    type Input = (Idempotency, Json<CreateBody>);
    type Output = Created<NewKeyView>;
    const SPEC: Spec =
        Spec::new("api_key_create", Method::Post, "/api-keys", "Makes a key within the caller's own rights.")
            .audited("key.created")
            .body(r#"{"name":"reporting","account_id":"{account_id}","permissions":["billing_access"]}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let grant = match who.principal() {
            Some(Principal::Person(_)) => of_any_account(hub, &who, &body).await?,
            _ => keys::own_tenant(&who, &body)?,
        };
        let here = (hub.platform(), Service::Hub);
        keys::create(here, (&who, &grant), Self::SPEC.id, &idempotency, body).await
    }
}

/// The grant to make a key of the account that a super admin names.
async fn of_any_account(
    hub: &Hub,
    who: &Proof<'_, KeyKeepers>,
    body: &CreateBody,
) -> Result<Granted<CreateKey>, Problem> {
    let id = body.account().ok_or_else(|| Problem::invalid("account_id", "whose is it to be?"))?;
    let account = hub.platform().stores.accounts.read(who.scope(), id).await?;
    let account = account.ok_or_else(|| Problem::invalid("account_id", "no such account"))?;
    Ok(grant(who, &Tenant { account: account.id, domain: None })?)
}

/// `GET /api-keys`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = KeyKeepers;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<KeyView>>;
    const SPEC: Spec = Spec::get("api_key_list", "/api-keys", "The account's keys, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::list((hub.platform(), Service::Hub), &who, &query).await?))
    }
}

/// `GET /api-keys/{id}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = KeyKeepers;
    type Input = Path<KeyId>;
    type Output = Shown<KeyView>;
    const SPEC: Spec = Spec::get("api_key_read", "/api-keys/{id}", "One key.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::read((hub.platform(), Service::Hub), &who, id).await?))
    }
}

/// `PATCH /api-keys/{id}`.
pub struct Change;

impl Endpoint<Hub> for Change {
    type Auth = KeyKeepers;
    type Input = (Path<KeyId>, Json<ChangeBody>);
    type Output = Shown<KeyView>;
    const SPEC: Spec =
        Spec::new("api_key_change", Method::Patch, "/api-keys/{id}", "Changes name, rights or limits.")
            .audited("key.changed")
            .body(r#"{"name":"renamed"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::change((hub.platform(), Service::Hub), &who, id, body).await?))
    }
}

/// `POST /api-keys/{id}/rotate`.
pub struct Rotate;

impl Endpoint<Hub> for Rotate {
    type Auth = KeyKeepers;
    type Input = (Path<KeyId>, Json<RotateBody>);
    type Output = Shown<RotatedView>;
    const SPEC: Spec =
        Spec::new("api_key_rotate", Method::Post, "/api-keys/{id}/rotate", "Gives a key a new secret.")
            .audited("key.rotated")
            .body(r#"{"overlap_seconds":60}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::rotate((hub.platform(), Service::Hub), &who, id, &body).await?))
    }
}

/// `DELETE /api-keys/{id}`.
pub struct Revoke;

impl Endpoint<Hub> for Revoke {
    type Auth = KeyKeepers;
    type Input = Path<KeyId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "api_key_revoke",
        Method::Delete,
        "/api-keys/{id}",
        "Revokes a key: once answered, no process accepts it.",
    )
    .audited("key.revoked");

    async fn call(
        hub: &Hub,
        who: Proof<'_, KeyKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        keys::revoke((hub.platform(), Service::Hub), &who, id).await
    }
}

/// A key to be checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// The key.
    key: String,
    /// A permission that it must hold.
    #[schemars(with = "Option<String>")]
    permission: Option<Permission>,
}

/// Whether a key is good.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerifyView {
    /// It is a live key of the caller's account, and holds the permission, where one was named.
    valid: bool,
    #[schemars(with = "Option<String>")]
    key_id: Option<KeyId>,
    permissions: Vec<&'static str>,
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
}

/// `POST /api-keys/verify`.
pub struct Verify;

impl Endpoint<Hub> for Verify {
    type Auth = Keys;
    type Input = Json<VerifyBody>;
    type Output = Shown<VerifyView>;
    const SPEC: Spec = Spec::new(
        "api_key_verify",
        Method::Post,
        "/api-keys/verify",
        "Whether a key of the account is good.",
    )
    .body(r#"{"key":"{api_key}","permission":"billing_access"}"#);

    async fn call(hub: &Hub, who: Proof<'_, Keys>, Json(body): Self::Input) -> Result<Self::Output, Problem> {
        let nothing = VerifyView { valid: false, key_id: None, permissions: Vec::new(), expires_at: None };
        Ok(Shown(match verify_key(hub.platform(), &who, &body.key).await? {
            Verified::NotGood => nothing,
            Verified::Good(key) => VerifyView {
                valid: body.permission.is_none_or(|permission| key.permissions.contains(permission)),
                key_id: Some(key.id),
                permissions: key.permissions.names(),
                expires_at: key.expires_at,
            },
        }))
    }
}
