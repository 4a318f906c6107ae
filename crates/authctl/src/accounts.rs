//! `accounts`: the Hub's tenants.

use crate::{
    arguments::{Accounts, Place},
    output::{Report, columns, or_dash, print},
    place::{Desk, all, failed},
};
use auth_core::{
    flow::set_account_status,
    id::AccountId,
    model::{Account, Email, Name, NewAccount, Status},
    policy::{Installation, grant},
    port::{CreateAccount, Creation},
    time::Timestamp,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: Accounts, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    match command {
        Accounts::Create { name, contact } => {
            let made = create(&desk, name, contact).await?;
            print(json, &AccountView::of(desk.account(made).await?))
        }
        Accounts::List => {
            let (scope, accounts) = (desk.proof.scope(), &desk.stores().accounts);
            let found = all(async |page| accounts.list(scope, page).await, |one| *one.id.as_bytes()).await?;
            print(json, &Listed(found.into_iter().map(AccountView::of).collect()))
        }
        Accounts::Suspend { id } => print(json, &set_status(&desk, id, Status::Suspended).await?),
        Accounts::Revive { id } => print(json, &set_status(&desk, id, Status::Active).await?),
    }
}

async fn create(desk: &Desk, name: Name, contact: Option<Email>) -> Result<AccountId, String> {
    let platform = desk.any();
    let at = platform.now();
    let id = AccountId::draw(at, platform.entropy.as_ref());
    let granted = grant::<CreateAccount, _>(&desk.proof, &Installation).map_err(failed)?;
    let new = NewAccount { id, name, contact, at };
    match desk.stores().accounts.create(&granted, new, Vec::new(), None).await.map_err(failed)? {
        Creation::Done(()) => Ok(id),
        other => Err(format!("the account was not made: {other:?}")),
    }
}

async fn set_status(desk: &Desk, id: AccountId, status: Status) -> Result<AccountView, String> {
    let account = desk.account(id).await?;
    set_account_status(desk.any(), &desk.proof, &account, status).await.map_err(failed)?;
    Ok(AccountView::of(desk.account(id).await?))
}

#[derive(Serialize)]
struct AccountView {
    id: AccountId,
    name: Name,
    contact: Option<Email>,
    status: &'static str,
    created_at: Timestamp,
}

impl AccountView {
    fn of(Account { id, name, contact, status, created_at, .. }: Account) -> Self {
        Self { id, name, contact, status: status.name(), created_at }
    }
}

impl Report for AccountView {
    fn text(&self) -> String {
        format!("account {} ({}): {}", self.id, self.name, self.status)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<AccountView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |one: &AccountView| {
            let contact = or_dash(one.contact.as_ref());
            [
                one.id.to_string(),
                one.name.to_string(),
                contact,
                one.status.to_owned(),
                one.created_at.to_string(),
            ]
        };
        columns(["ACCOUNT", "NAME", "CONTACT", "STATUS", "CREATED"], self.0.iter().map(row))
    }
}
