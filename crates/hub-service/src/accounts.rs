//! Accounts: whose a domain is, read, changed.

use crate::{
    Hub,
    rules::{AccountAccess, own_account},
};
use auth_core::{
    id::AccountId,
    model::{Account, AccountPatch, DomainName, Email, Name, Set},
    policy::{Proof, grant},
    port::{Change as Changed, ChangeAccount},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, Path},
    problem::Kind,
    reply::Shown,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose a domain is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainOwner {
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    domain: DomainName,
    /// The account's name.
    #[schemars(with = "String")]
    name: Name,
}

/// `GET /domain/{domain}/account`.
pub struct OfDomain;

impl Endpoint<Hub> for OfDomain {
    type Auth = AccountAccess;
    type Input = Path<DomainName>;
    type Output = Shown<DomainOwner>;
    const SPEC: Spec =
        Spec::get("domain_account", "/domain/{domain}/account", "The account that owns a domain.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, AccountAccess>,
        Path(name): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let stores = &hub.platform().stores;
        let domain = stores.domains.by_name(who.scope(), &name).await?.ok_or_else(Problem::absent)?;
        let account = read(hub, &who, domain.account).await?;
        Ok(Shown(DomainOwner { account_id: account.id, domain: domain.name, name: account.name }))
    }
}

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountView {
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    name: Name,
    /// Whom to write to.
    #[schemars(with = "Option<String>")]
    contact: Option<Email>,
    /// `active` or `suspended`.
    status: &'static str,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl AccountView {
    fn of(account: Account) -> Self {
        Self {
            account_id: account.id,
            name: account.name,
            contact: account.contact,
            status: account.status.name(),
            created_at: account.created_at,
        }
    }
}

async fn read(hub: &Hub, who: &Proof<'_, AccountAccess>, id: AccountId) -> Result<Account, Problem> {
    hub.platform().stores.accounts.read(who.scope(), id).await?.ok_or_else(Problem::absent)
}

/// `GET /accounts/{account_id}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = AccountAccess;
    type Input = Path<AccountId>;
    type Output = Shown<AccountView>;
    const SPEC: Spec = Spec::get("account_read", "/accounts/{account_id}", "The account.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, AccountAccess>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, id)?;
        Ok(Shown(AccountView::of(read(hub, &who, id).await?)))
    }
}

/// What a key may change of its account; never its status or domains.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    name: Set<Name>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    contact: Set<Option<Email>>,
}

/// `PATCH /accounts/{account_id}`.
pub struct Change;

impl Endpoint<Hub> for Change {
    type Auth = AccountAccess;
    type Input = (Path<AccountId>, Json<ChangeBody>);
    type Output = Shown<AccountView>;
    const SPEC: Spec =
        Spec::new("account_change", Method::Patch, "/accounts/{account_id}", "Changes name or contact.")
            .audited("account.changed")
            .body(r#"{"contact":"alice@example.com"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, AccountAccess>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, id)?;
        let platform = hub.platform();
        let account = read(hub, &who, id).await?;
        let granted = grant::<ChangeAccount, _>(&who, &account)?;
        let patch = AccountPatch { name: body.name, contact: body.contact };
        match platform.stores.accounts.change(&granted, account.version, patch, platform.now()).await? {
            Changed::Done(account) => Ok(Shown(AccountView::of(account))),
            Changed::Stale | Changed::Taken => {
                Err(Problem::new(Kind::Conflict, "The account was changed at the same time. Try again."))
            }
        }
    }
}
