//! `domains`: the chatbot service's tenants.

use crate::{
    arguments::{Domains, Place},
    output::{Report, columns, print},
    place::{Desk, all, failed},
};
use auth_core::{
    flow::set_domain_status,
    id::{AccountId, DomainId},
    model::{Domain, DomainName, DomainOwner, DomainPatch, NewDomain, Set, Status, WebOrigin},
    policy::grant,
    port::{Change, ChangeDomain, CreateDomain, Creation},
    time::Timestamp,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: Domains, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    match command {
        Domains::Create { name, account } => print(json, &create(&desk, name, account).await?),
        Domains::List => {
            let (scope, domains) = (desk.proof.scope(), &desk.stores().domains);
            let found = all(async |page| domains.list(scope, page).await, |one| *one.id.as_bytes()).await?;
            print(json, &Listed(found.into_iter().map(DomainView::of).collect()))
        }
        Domains::SetOrigins { name, origins } => print(json, &set_origins(&desk, &name, origins).await?),
        Domains::Suspend { name } => print(json, &set_status(&desk, &name, Status::Suspended).await?),
        Domains::Revive { name } => print(json, &set_status(&desk, &name, Status::Active).await?),
    }
}

async fn create(desk: &Desk, name: DomainName, owner: AccountId) -> Result<DomainView, String> {
    let platform = desk.any();
    let owner = desk.account(owner).await?;
    let at = platform.now();
    let id = DomainId::draw(at, platform.entropy.as_ref());
    let granted = grant::<CreateDomain, _>(&desk.proof, &DomainOwner::of(&owner)).map_err(failed)?;
    let new = NewDomain { id, name: name.clone(), at };
    match desk.stores().domains.create(&granted, new, None).await.map_err(failed)? {
        Creation::Done(()) => Ok(DomainView::of(desk.domain(&name).await?)),
        _ => Err(format!("the name {name} is taken")),
    }
}

async fn set_origins(desk: &Desk, name: &DomainName, origins: Vec<WebOrigin>) -> Result<DomainView, String> {
    let domain = desk.domain(name).await?;
    let granted = grant::<ChangeDomain, _>(&desk.proof, &domain).map_err(failed)?;
    let patch = DomainPatch { origins: Set::To(origins), ..DomainPatch::default() };
    let now = desk.any().now();
    match desk.stores().domains.change(&granted, domain.version, patch, now).await.map_err(failed)? {
        Change::Done(changed) => Ok(DomainView::of(changed)),
        Change::Stale | Change::Taken => Err(format!("{name} was changed at the same time: try again")),
    }
}

async fn set_status(desk: &Desk, name: &DomainName, status: Status) -> Result<DomainView, String> {
    let domain = desk.domain(name).await?;
    set_domain_status(desk.any(), &desk.proof, &domain, status).await.map_err(failed)?;
    Ok(DomainView::of(desk.domain(name).await?))
}

#[derive(Serialize)]
struct DomainView {
    id: DomainId,
    name: DomainName,
    account_id: AccountId,
    status: &'static str,
    origins: Vec<WebOrigin>,
    created_at: Timestamp,
}

impl DomainView {
    fn of(Domain { id, account, name, status, origins, created_at, .. }: Domain) -> Self {
        Self { id, name, account_id: account, status: status.name(), origins, created_at }
    }

    fn pages(&self) -> String {
        let pages: Vec<_> = self.origins.iter().map(WebOrigin::as_str).collect();
        if pages.is_empty() { "-".to_owned() } else { pages.join(" ") }
    }
}

impl Report for DomainView {
    fn text(&self) -> String {
        let Self { name, account_id, status, .. } = self;
        format!("domain {name} of account {account_id}: {status}; widget on: {}", self.pages())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<DomainView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |one: &DomainView| {
            let (name, account) = (one.name.to_string(), one.account_id.to_string());
            [name, account, one.status.to_owned(), one.pages(), one.created_at.to_string()]
        };
        columns(["DOMAIN", "ACCOUNT", "STATUS", "WIDGET ON", "CREATED"], self.0.iter().map(row))
    }
}
