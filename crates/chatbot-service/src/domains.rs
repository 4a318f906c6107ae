//! Domains: the tenants of this service, their settings.

use crate::{
    Chatbot,
    rules::{Owners, OwnersJustShown, SuperAdmins},
};
use auth_core::{
    flow::{change_domain, create_domain},
    id::{AccountId, DomainId},
    model::{Domain, DomainName, DomainPatch, Joining, Set, Status, WebOrigin},
    policy::{Proof, Requirement},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    reply::{Created, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pages that a domain may list: few enough to be looked through with each request.
const MOST_ORIGINS: usize = 64;

/// A domain.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DomainView {
    #[schemars(with = "String")]
    id: DomainId,
    #[schemars(with = "String")]
    domain: DomainName,
    #[schemars(with = "String")]
    account_id: AccountId,
    /// `active` or `suspended`.
    #[schemars(with = "String")]
    status: Status,
    /// Pages that may open a widget session.
    #[schemars(with = "Vec<String>")]
    origins: Vec<WebOrigin>,
    /// How who registers for it becomes a member: by `approval`, or `open`.
    #[schemars(with = "String")]
    joining: Joining,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl DomainView {
    fn of(domain: Domain) -> Self {
        let Domain { id, account, name, status, origins, joining, created_at, .. } = domain;
        Self { id, domain: name, account_id: account, status, origins, joining, created_at }
    }
}

/// The domain of a path, if the caller may see it.
pub(crate) async fn named<R: Requirement>(
    chatbot: &Chatbot,
    who: &Proof<'_, R>,
    name: &DomainName,
) -> Result<Domain, Problem> {
    let domains = &chatbot.platform().stores.domains;
    domains.by_name(who.scope(), name).await?.ok_or_else(Problem::absent)
}

/// A domain to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    #[schemars(with = "String")]
    domain: DomainName,
    /// The account that will own it.
    #[schemars(with = "String")]
    account_id: AccountId,
}

/// `POST /domains`.
pub struct Create;

impl Endpoint<Chatbot> for Create {
    type Auth = SuperAdmins;
    type Input = (Idempotency, Json<CreateBody>);
    type Output = Created<DomainView>;
    const SPEC: Spec = Spec::new("domain_create", Method::Post, "/domains", "Makes a domain of an account.")
        .audited("domain.created")
        .body(r#"{"domain":"new{new}.example","account_id":"{account_id}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, SuperAdmins>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let caller = who.subject().person;
        let once = |id: DomainId| idempotency.once(&caller, Self::SPEC.id, &body, id.to_string());
        let made = create_domain(chatbot.platform(), &who, body.account_id, &body.domain, once).await?;
        Ok(Created(DomainView::of(made)))
    }
}

/// `GET /domains`.
pub struct List;

impl Endpoint<Chatbot> for List {
    type Auth = Owners;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<DomainView>>;
    const SPEC: Spec =
        Spec::get("domain_list", "/domains", "The domains that the caller administers, newest first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Owners>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = chatbot.platform().stores.domains.list(who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |domain| domain.id.as_bytes().to_vec(), DomainView::of)))
    }
}

/// `GET /domains/{domain}`.
pub struct Read;

impl Endpoint<Chatbot> for Read {
    type Auth = Owners;
    type Input = Path<DomainName>;
    type Output = Shown<DomainView>;
    const SPEC: Spec = Spec::get("domain_read", "/domains/{domain}", "One domain.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Owners>,
        Path(name): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(DomainView::of(named(chatbot, &who, &name).await?)))
    }
}

/// What may be changed of a domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// Pages that may open a widget session, in place of those before.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    origins: Set<Vec<WebOrigin>>,
    /// `approval` or `open`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    joining: Set<Joining>,
}

/// `PATCH /domains/{domain}`.
pub struct Change;

impl Endpoint<Chatbot> for Change {
    type Auth = OwnersJustShown;
    type Input = (Path<DomainName>, Json<ChangeBody>);
    type Output = Shown<DomainView>;
    const SPEC: Spec =
        Spec::new("domain_change", Method::Patch, "/domains/{domain}", "Changes the settings of a domain.")
            .audited("domain.changed")
            .body(r#"{"joining":"open"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, OwnersJustShown>,
        (Path(name), Json(ChangeBody { origins, joining })): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if let Set::To(list) = &origins
            && list.len() > MOST_ORIGINS
        {
            return Err(Problem::invalid("origins", format!("expected at most {MOST_ORIGINS} pages")));
        }
        let domain = named(chatbot, &who, &name).await?;
        let patch = DomainPatch { origins, joining };
        Ok(Shown(DomainView::of(change_domain(chatbot.platform(), &who, domain.id, &patch).await?)))
    }
}
