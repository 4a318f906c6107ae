//! Managing API keys: what both services take and answer.

use crate::{
    input::{Idempotency, PageQuery},
    problem::Problem,
    reply::{Created, Done, Listed},
};
use auth_core::{
    flow::{IssuedKey, KeyOrder, Platform, change_key, issue_key, revoke_key, rotate_key},
    id::{AccountId, DomainId, KeyId},
    model::{Key, KeyPatch, Name, Set},
    policy::{Allows, Granted, Networks, Permission, Permissions, Proof, Requirement, Rights},
    port::{ChangeKey, CreateKey, RevokeKey, RotateKey},
    principal::Tenant,
    service::Service,
    time::Timestamp,
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
    /// Of a key of the chatbot service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    domain_id: Option<DomainId>,
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
            domain_id: key.tenant.domain,
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
    /// The caller's own account, which may be left out; of a super admin, whichever it will be of.
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

impl CreateBody {
    /// The account that it names.
    pub const fn account(&self) -> Option<AccountId> {
        self.account_id
    }
}

/// The grant to make a key of the caller's own tenant.
///
/// # Errors
/// The body names an account that is not the caller's.
pub fn own_tenant<R: Allows<CreateKey>>(
    who: &Proof<'_, R>,
    body: &CreateBody,
) -> Result<Granted<CreateKey>, Problem> {
    let grant = Granted::<CreateKey>::own(who)?;
    match body.account_id {
        Some(named) if named != grant.target().account => Err(Problem::absent()),
        _ => Ok(grant),
    }
}

/// Makes a key of the tenant of a grant, within the caller's own rights.
///
/// # Errors
/// Those of [`issue_key`].
pub async fn create<R: Allows<CreateKey>>(
    (platform, service): (&Platform, Service),
    (who, grant): (&Proof<'_, R>, &Granted<CreateKey>),
    operation: &'static str,
    idempotency: &Idempotency,
    body: CreateBody,
) -> Result<Created<NewKeyView>, Problem> {
    let tenant = grant.target();
    let account = tenant.account;
    let rights = Rights {
        permissions: body.permissions.iter().copied().collect(),
        expires_at: body.expires_at,
        networks: networks(&body.allowed_cidrs)?,
        rate_limit: body.rate_limit,
    };
    let order = KeyOrder { service, name: body.name.clone(), rights: rights.clone() };
    let once = |id: KeyId| match tenant.domain {
        Some(domain) => idempotency.once(&domain, operation, &body, id.to_string()),
        None => idempotency.once(&account, operation, &body, id.to_string()),
    };
    let issued = issue_key(platform, who, grant, order, once).await?;
    Ok(Created(shown(issued, tenant, body.name, rights)))
}

fn shown(issued: IssuedKey, tenant: Tenant, name: Name, rights: Rights) -> NewKeyView {
    let IssuedKey { id, prefix, created_at, secret } = issued;
    let view = KeyView {
        id,
        account_id: tenant.account,
        domain_id: tenant.domain,
        name,
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
    NewKeyView { view, key: secret.reveal().expose().to_owned() }
}

/// The keys of a service that the caller may see, newest first, revoked ones too.
///
/// # Errors
/// A limit or cursor that is none; the store's.
pub async fn list<R: Requirement>(
    (platform, service): (&Platform, Service),
    who: &Proof<'_, R>,
    query: &PageQuery,
) -> Result<Listed<KeyView>, Problem> {
    let (limit, page) = query.page()?;
    let found = platform.stores.keys.list(service, who.scope(), page).await?;
    Ok(Listed::new(found, limit, |key| key.id.as_bytes().to_vec(), KeyView::of))
}

/// One key.
///
/// # Errors
/// One that is not the caller's; the store's.
pub async fn read<R: Requirement>(
    (platform, service): (&Platform, Service),
    who: &Proof<'_, R>,
    id: KeyId,
) -> Result<KeyView, Problem> {
    let key = platform.stores.keys.read(service, who.scope(), id).await?;
    Ok(KeyView::of(key.ok_or_else(Problem::absent)?))
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

/// Changes a key.
///
/// # Errors
/// Those of [`change_key`].
pub async fn change<R: Allows<ChangeKey>>(
    (platform, service): (&Platform, Service),
    who: &Proof<'_, R>,
    id: KeyId,
    body: ChangeBody,
) -> Result<KeyView, Problem> {
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
    Ok(KeyView::of(change_key(platform, who, service, id, &patch).await?))
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

/// Gives a key a new secret.
///
/// # Errors
/// Those of [`rotate_key`].
pub async fn rotate<R: Allows<RotateKey>>(
    (platform, service): (&Platform, Service),
    who: &Proof<'_, R>,
    id: KeyId,
    body: &RotateBody,
) -> Result<RotatedView, Problem> {
    let overlap = Duration::from_secs(body.overlap_seconds);
    let rotated = rotate_key(platform, who, service, id, overlap).await?;
    let key = rotated.secret.reveal().expose().to_owned();
    let key = NewKeyView { view: KeyView::of(rotated.key), key };
    Ok(RotatedView { key, old_secret_until: rotated.old_until })
}

/// Ends a key.
///
/// # Errors
/// Those of [`revoke_key`].
pub async fn revoke<R: Allows<RevokeKey>>(
    (platform, service): (&Platform, Service),
    who: &Proof<'_, R>,
    id: KeyId,
) -> Result<Done, Problem> {
    revoke_key(platform, who, service, id).await?;
    Ok(Done)
}
