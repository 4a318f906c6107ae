//! Accounts: whose a domain is, read, changed.

use crate::{
    Hub,
    rules::{AccountAccess, AccountKeepers, SuperAdmins, own_account},
};
use auth_core::{
    flow::{create_account, set_account_status},
    id::AccountId,
    model::{Account, AccountPatch, DomainName, Email, Name, Set, Status},
    policy::{Proof, Requirement, grant},
    port::{Change as Changed, ChangeAccount},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    problem::Kind,
    reply::{Created, Listed, Shown},
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

async fn read<R: Requirement>(hub: &Hub, who: &Proof<'_, R>, id: AccountId) -> Result<Account, Problem> {
    hub.platform().stores.accounts.read(who.scope(), id).await?.ok_or_else(Problem::absent)
}

/// `GET /accounts/{account_id}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = AccountKeepers;
    type Input = Path<AccountId>;
    type Output = Shown<AccountView>;
    const SPEC: Spec = Spec::get("account_read", "/accounts/{account_id}", "The account.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, AccountKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, id)?;
        Ok(Shown(AccountView::of(read(hub, &who, id).await?)))
    }
}

/// What may be changed of an account; its status by a super admin alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// `active` or `suspended`: then none of its credentials is accepted.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    status: Set<Status>,
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
    type Auth = AccountKeepers;
    type Input = (Path<AccountId>, Json<ChangeBody>);
    type Output = Shown<AccountView>;
    const SPEC: Spec = Spec::new(
        "account_change",
        Method::Patch,
        "/accounts/{account_id}",
        "Changes name or contact; a super admin, the status.",
    )
    .audited("account.changed")
    .body(r#"{"contact":"alice@example.com"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, AccountKeepers>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, id)?;
        let platform = hub.platform();
        let mut account = read(hub, &who, id).await?;
        if let Set::To(status) = body.status {
            set_account_status(platform, &who.also::<SuperAdmins>()?, &account, status).await?;
            account = read(hub, &who, id).await?;
        }
        let patch = AccountPatch { name: body.name, contact: body.contact };
        if patch == AccountPatch::default() {
            return Ok(Shown(AccountView::of(account)));
        }
        let granted = grant::<ChangeAccount, _>(&who, &account)?;
        match platform.stores.accounts.change(&granted, account.version, patch, platform.now()).await? {
            Changed::Done(account) => Ok(Shown(AccountView::of(account))),
            Changed::Stale | Changed::Taken => {
                Err(Problem::new(Kind::Conflict, "The account was changed at the same time. Try again."))
            }
        }
    }
}

/// An account to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    #[schemars(with = "String")]
    name: Name,
    /// Domains that will be its own: each is one account's.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    domains: Vec<DomainName>,
}

/// Domains that may be made at once.
const MOST_DOMAINS: usize = 64;

/// `POST /accounts`.
pub struct Create;

impl Endpoint<Hub> for Create {
    type Auth = SuperAdmins;
    type Input = (Idempotency, Json<CreateBody>);
    type Output = Created<AccountView>;
    const SPEC: Spec =
        Spec::new("account_create", Method::Post, "/accounts", "Makes an account, with its domains.")
            .audited("account.created")
            .body(r#"{"name":"Example"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, SuperAdmins>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if body.domains.len() > MOST_DOMAINS {
            return Err(Problem::invalid("domains", format!("expected at most {MOST_DOMAINS}")));
        }
        let caller = who.subject().person;
        let once = |id: AccountId| idempotency.once(&caller, Self::SPEC.id, &body, id.to_string());
        let made = create_account(hub.platform(), &who, &body.name, &body.domains, once).await?;
        Ok(Created(AccountView::of(made)))
    }
}

/// `GET /accounts`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = SuperAdmins;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<AccountView>>;
    const SPEC: Spec = Spec::get("account_list", "/accounts", "All accounts, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, SuperAdmins>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = hub.platform().stores.accounts.list(who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |account| account.id.as_bytes().to_vec(), AccountView::of)))
    }
}
