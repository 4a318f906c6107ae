//! The Hub's API keys.

use crate::{
    Hub,
    rules::{Keys, own_account},
};
use auth_core::{
    flow::{IssuedKey, KeyOrder, Verified, change_key, issue_key, revoke_key, rotate_key, verify_key},
    id::{AccountId, KeyId},
    model::{Key, KeyPatch, Name, Set},
    policy::{Granted, Networks, Permission, Permissions, Proof, Rights},
    port::CreateKey,
    service::Service,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    reply::{Created, Done, Listed, Shown},
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{num::NonZeroU32, time::Duration};

/// A key, without its secrets.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyView {
    #[schemars(with = "String")]
    id: KeyId,
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    name: Name,
    /// The first characters of the newest secret.
    prefix: String,
    permissions: Vec<&'static str>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    /// How often it was accepted, half a minute ago.
    use_count: u64,
    /// When it was last accepted, half a minute ago.
    #[schemars(with = "Option<String>")]
    last_used_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
    /// From where it may be used; empty is anywhere.
    allowed_cidrs: Vec<String>,
    /// Requests a minute.
    rate_limit: Option<NonZeroU32>,
}

impl KeyView {
    fn of(key: Key) -> Self {
        Self {
            id: key.id,
            account_id: key.tenant.account,
            name: key.name,
            prefix: key.prefix,
            permissions: key.rights.permissions.names(),
            created_at: key.created_at,
            expires_at: key.rights.expires_at,
            use_count: key.use_count,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            allowed_cidrs: key.rights.networks.texts(),
            rate_limit: key.rights.rate_limit,
        }
    }
}

/// A key with its secret, shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NewKeyView {
    #[serde(flatten)]
    view: KeyView,
    /// The secret.
    key: String,
}

/// A key to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    #[schemars(with = "String")]
    name: Name,
    /// The caller's own account; may be left out.
    #[schemars(with = "Option<String>")]
    account_id: Option<AccountId>,
    #[schemars(with = "Vec<String>")]
    permissions: Vec<Permission>,
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    allowed_cidrs: Vec<IpNet>,
    rate_limit: Option<NonZeroU32>,
}

/// Networks that a key may list: more than anybody holds, few enough to be looked through with each request.
const MOST_NETWORKS: usize = 64;

fn networks(list: &[IpNet]) -> Result<Networks, Problem> {
    if list.len() > MOST_NETWORKS {
        return Err(Problem::invalid("allowed_cidrs", format!("expected at most {MOST_NETWORKS} networks")));
    }
    Ok(Networks::new(list.iter().copied()))
}

/// `POST /api-keys`.
pub struct Create;

impl Endpoint<Hub> for Create {
    type Auth = Keys;
    type Input = (Idempotency, Json<CreateBody>);
    type Output = Created<NewKeyView>;
    const SPEC: Spec =
        Spec::new("api_key_create", Method::Post, "/api-keys", "Makes a key within the caller's own rights.")
            .audited("key.created")
            .body(r#"{"name":"reporting","account_id":"{account_id}","permissions":["billing_access"]}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Keys>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let account_id = who.subject().tenant.account;
        own_account(&who, body.account_id.unwrap_or(account_id))?;
        let rights = Rights {
            permissions: body.permissions.iter().copied().collect(),
            expires_at: body.expires_at,
            networks: networks(&body.allowed_cidrs)?,
            rate_limit: body.rate_limit,
        };
        let order = KeyOrder { service: Service::Hub, name: body.name.clone(), rights: rights.clone() };
        let once = |id: KeyId| idempotency.once(&account_id, Self::SPEC.id, &body, id.to_string());
        let grant = Granted::<CreateKey>::own(&who)?;
        let IssuedKey { id, prefix, created_at, secret } =
            issue_key(hub.platform(), &who, &grant, order, once).await?;
        let view = KeyView {
            id,
            account_id,
            name: body.name,
            prefix,
            permissions: rights.permissions.names(),
            created_at,
            expires_at: rights.expires_at,
            use_count: 0,
            last_used_at: None,
            revoked_at: None,
            allowed_cidrs: rights.networks.texts(),
            rate_limit: rights.rate_limit,
        };
        Ok(Created(NewKeyView { view, key: secret.reveal().expose().to_owned() }))
    }
}

/// `GET /api-keys`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = Keys;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<KeyView>>;
    const SPEC: Spec = Spec::get("api_key_list", "/api-keys", "The account's keys, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Keys>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = hub.platform().stores.keys.list(Service::Hub, who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |key| key.id.as_bytes().to_vec(), KeyView::of)))
    }
}

/// `GET /api-keys/{id}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = Keys;
    type Input = Path<KeyId>;
    type Output = Shown<KeyView>;
    const SPEC: Spec = Spec::get("api_key_read", "/api-keys/{id}", "One key.");

    async fn call(hub: &Hub, who: Proof<'_, Keys>, Path(id): Self::Input) -> Result<Self::Output, Problem> {
        let key = hub.platform().stores.keys.read(Service::Hub, who.scope(), id).await?;
        Ok(Shown(KeyView::of(key.ok_or_else(Problem::absent)?)))
    }
}

/// What may be changed of a key, within the caller's own rights.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    name: Set<Name>,
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    permissions: Set<Vec<Permission>>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    expires_at: Set<Option<Timestamp>>,
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    allowed_cidrs: Set<Vec<IpNet>>,
    #[serde(default)]
    #[schemars(with = "Option<u32>")]
    rate_limit: Set<Option<NonZeroU32>>,
}

/// `PATCH /api-keys/{id}`.
pub struct Change;

impl Endpoint<Hub> for Change {
    type Auth = Keys;
    type Input = (Path<KeyId>, Json<ChangeBody>);
    type Output = Shown<KeyView>;
    const SPEC: Spec =
        Spec::new("api_key_change", Method::Patch, "/api-keys/{id}", "Changes name, rights or limits.")
            .audited("key.changed")
            .body(r#"{"name":"renamed"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Keys>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let networks = match body.allowed_cidrs {
            Set::Keep => Set::Keep,
            Set::To(list) => Set::To(networks(&list)?),
        };
        let patch = KeyPatch {
            name: body.name,
            permissions: body.permissions.map(|list| list.into_iter().collect::<Permissions>()),
            expires_at: body.expires_at,
            networks,
            rate_limit: body.rate_limit,
        };
        Ok(Shown(KeyView::of(change_key(hub.platform(), &who, Service::Hub, id, &patch).await?)))
    }
}

/// How long the old secret works beside the new one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// 0 (by default) to 604800.
    #[serde(default)]
    overlap_seconds: u64,
}

/// A key with its new secret, shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RotatedView {
    #[serde(flatten)]
    key: NewKeyView,
    /// When the secrets before it end.
    #[schemars(with = "String")]
    old_secret_until: Timestamp,
}

/// `POST /api-keys/{id}/rotate`.
pub struct Rotate;

impl Endpoint<Hub> for Rotate {
    type Auth = Keys;
    type Input = (Path<KeyId>, Json<RotateBody>);
    type Output = Shown<RotatedView>;
    const SPEC: Spec =
        Spec::new("api_key_rotate", Method::Post, "/api-keys/{id}/rotate", "Gives a key a new secret.")
            .audited("key.rotated")
            .body(r#"{"overlap_seconds":60}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Keys>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let overlap = Duration::from_secs(body.overlap_seconds);
        let rotated = rotate_key(hub.platform(), &who, Service::Hub, id, overlap).await?;
        let key = rotated.secret.reveal().expose().to_owned();
        let key = NewKeyView { view: KeyView::of(rotated.key), key };
        Ok(Shown(RotatedView { key, old_secret_until: rotated.old_until }))
    }
}

/// `DELETE /api-keys/{id}`.
pub struct Revoke;

impl Endpoint<Hub> for Revoke {
    type Auth = Keys;
    type Input = Path<KeyId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "api_key_revoke",
        Method::Delete,
        "/api-keys/{id}",
        "Revokes a key: once answered, no process accepts it.",
    )
    .audited("key.revoked");

    async fn call(hub: &Hub, who: Proof<'_, Keys>, Path(id): Self::Input) -> Result<Self::Output, Problem> {
        revoke_key(hub.platform(), &who, Service::Hub, id).await?;
        Ok(Done)
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
