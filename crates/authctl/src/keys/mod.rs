//! `keys`: API keys of both services.

mod generate;

use crate::{
    arguments::{KeyCreate, Keys, Place},
    output::{Report, columns, or_dash, print},
    place::{Desk, all, failed},
};
use auth_core::{
    flow::{IssuedKey, KeyOrder, issue_key, revoke_key, rotate_key},
    id::{AccountId, DomainId, KeyId},
    model::{DomainName, Key},
    policy::{Networks, Rights, grant},
    port::CreateKey,
    principal::Tenant,
    secret::RevealOnce,
    service::Service,
    time::Timestamp,
};
use serde::Serialize;
use std::{num::NonZeroU32, time::Duration};

pub(crate) async fn run(place: &Place, command: Keys, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    match command {
        Keys::Create(order) => print(json, &create(&desk, order).await?),
        Keys::Generate(wanted) => print(json, &generate::run(&desk, wanted).await?),
        Keys::List { service, account, domain } => print(json, &list(&desk, service, account, domain).await?),
        Keys::Rotate { id, overlap_seconds } => {
            let service = find(&desk, id).await?.service;
            let overlap = Duration::from_secs(overlap_seconds);
            let rotated = rotate_key(desk.platform(service), &desk.proof, service, id, overlap);
            let rotated = rotated.await.map_err(failed)?;
            let old_until = Some(rotated.old_until).filter(|_| overlap_seconds > 0);
            print(json, &Issued::of(rotated.key, old_until, rotated.secret))
        }
        Keys::Revoke { id } => {
            let service = find(&desk, id).await?.service;
            revoke_key(desk.platform(service), &desk.proof, service, id).await.map_err(failed)?;
            print(json, &KeyView::of(find(&desk, id).await?))
        }
    }
}

/// A key, whichever service accepts it.
async fn find(desk: &Desk, id: KeyId) -> Result<Key, String> {
    for service in Service::ALL {
        if let Some(key) = desk.stores().keys.read(service, desk.proof.scope(), id).await.map_err(failed)? {
            return Ok(key);
        }
    }
    Err(format!("there is no key {id}"))
}

async fn create(desk: &Desk, order: KeyCreate) -> Result<Issued, String> {
    let (tenant, order) = read(desk, order).await?;
    let issued = issue(desk, tenant, order).await?;
    Ok(Issued::of(find(desk, issued.id).await?, None, issued.secret))
}

async fn issue(desk: &Desk, tenant: Tenant, order: KeyOrder) -> Result<IssuedKey, String> {
    let granted = grant::<CreateKey, _>(&desk.proof, &tenant).map_err(failed)?;
    issue_key(desk.platform(order.service), &desk.proof, &granted, order, |_| None).await.map_err(failed)
}

/// Whose key is to be made, and what it may do.
async fn read(desk: &Desk, order: KeyCreate) -> Result<(Tenant, KeyOrder), String> {
    let KeyCreate { service, account, domain, platform, name, permissions, expires_at, networks, rate_limit } =
        order;
    let tenant = match (service, account, domain) {
        (Service::Chatbot, ..) if platform => Tenant::PLATFORM,
        (Service::Hub, Some(account), None) => {
            Tenant { account: desk.account(account).await?.id, domain: None }
        }
        (Service::Chatbot, None, Some(name)) => {
            let domain = desk.domain(&name).await?;
            Tenant { account: domain.account, domain: Some(domain.id) }
        }
        (Service::Hub, ..) => return Err("a key of the Hub belongs to an --account".to_owned()),
        (Service::Chatbot, ..) => return Err("a key of the chatbot service belongs to a --domain".to_owned()),
    };
    let permissions = permissions.into_iter().collect();
    let rights = Rights { permissions, expires_at, networks: Networks::new(networks), rate_limit };
    Ok((tenant, KeyOrder { service, name, rights }))
}

async fn list(
    desk: &Desk,
    service: Option<Service>,
    account: Option<AccountId>,
    domain: Option<DomainName>,
) -> Result<Listed, String> {
    let domain = match domain {
        Some(name) => Some(desk.domain(&name).await?.id),
        None => None,
    };
    let (scope, keys) = (desk.proof.scope(), &desk.stores().keys);
    let mut found = Vec::new();
    for service in Service::ALL.into_iter().filter(|one| service.is_none_or(|wanted| wanted == *one)) {
        let read = async |page| keys.list(service, scope, page).await;
        found.extend(all(read, |key| *key.id.as_bytes()).await?);
    }
    found.retain(|key| {
        account.is_none_or(|account| key.tenant.account == account)
            && domain.is_none_or(|domain| key.tenant.domain == Some(domain))
    });
    Ok(Listed(found.into_iter().map(KeyView::of).collect()))
}

#[derive(Serialize)]
struct KeyView {
    id: KeyId,
    service: &'static str,
    account_id: AccountId,
    domain_id: Option<DomainId>,
    name: String,
    prefix: String,
    permissions: Vec<&'static str>,
    expires_at: Option<Timestamp>,
    networks: Vec<String>,
    rate_limit: Option<NonZeroU32>,
    created_at: Timestamp,
    use_count: u64,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl KeyView {
    fn of(key: Key) -> Self {
        Self {
            id: key.id,
            service: key.service.name(),
            account_id: key.tenant.account,
            domain_id: key.tenant.domain,
            name: key.name.to_string(),
            prefix: key.prefix,
            permissions: key.rights.permissions.names(),
            expires_at: key.rights.expires_at,
            networks: key.rights.networks.texts(),
            rate_limit: key.rights.rate_limit,
            created_at: key.created_at,
            use_count: key.use_count,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }

    fn state(&self) -> String {
        match (self.revoked_at, self.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(end)) => format!("until {end}"),
            (None, None) => "no end".to_owned(),
        }
    }
}

impl Report for KeyView {
    fn text(&self) -> String {
        format!("key {} ({} of the {} service): {}", self.id, self.prefix, self.service, self.state())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<KeyView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |key: &KeyView| {
            [
                key.id.to_string(),
                key.service.to_owned(),
                key.prefix.clone(),
                key.state(),
                key.use_count.to_string(),
                or_dash(key.last_used_at),
                key.permissions.join(" "),
                key.name.clone(),
            ]
        };
        columns(
            ["KEY", "SERVICE", "PREFIX", "STATE", "USES", "LAST USED", "PERMISSIONS", "NAME"],
            self.0.iter().map(row),
        )
    }
}

/// A key with its new secret.
#[derive(Serialize)]
struct Issued {
    /// The secret: shown here, and nowhere again.
    key: String,
    #[serde(flatten)]
    view: KeyView,
    /// Until when the old secret works beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_until: Option<Timestamp>,
}

impl Issued {
    fn of(key: Key, old_until: Option<Timestamp>, secret: RevealOnce) -> Self {
        Self { key: secret.reveal().expose().to_owned(), view: KeyView::of(key), old_until }
    }
}

impl Report for Issued {
    fn text(&self) -> String {
        let mut text = format!("{}\nsecret, shown this once: {}", self.view.text(), self.key);
        if let Some(until) = self.old_until {
            text.push_str(&format!("\nthe old secret works until {until}"));
        }
        text
    }
}
