//! Credentials of every kind in every state, and the requests that present them.

use crate::{
    client::{Request, Response},
    operator::operator,
    world::{Holdings, ISSUER, World},
};
use auth_core::{
    amr::{Amr, Method},
    credential::{
        Malformed, PAGE_LIFE, PageSession, SessionKind, classify, draw_key, draw_session, draw_temp_token,
    },
    entropy::Entropy,
    id::AccessTokenId,
    jwt::{Algorithm, Claims, Issuer, LIFE, SigningKey},
    policy::{Permissions, Role},
    principal::Tenant,
    seal::Keyring,
    service::Service,
    time::Clock as _,
};
use auth_web::{Place, Row, Service as WebService};
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use zeroize::Zeroizing;

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An API key of the service.
    Key,
    /// A temporary access token.
    Temp,
    /// A widget session.
    Widget,
    /// A browser chat session.
    Chat,
    /// A person, by an access token.
    Person,
    /// A person who has shown a second factor, by an access token.
    Strong,
    /// An owner of a domain, who has.
    Owner,
    /// A super admin, who has.
    SuperAdmin,
    /// A key of the platform's own, at the chatbot service.
    Platform,
    /// A page that is in a session of a person.
    Page,
    /// A page that is in a session of a person who has shown a second factor.
    StrongPage,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Key,
        Self::Temp,
        Self::Widget,
        Self::Chat,
        Self::Person,
        Self::Strong,
        Self::Owner,
        Self::SuperAdmin,
        Self::Platform,
        Self::Page,
        Self::StrongPage,
    ];

    /// The kinds that a route takes, as its needs are written; a public route takes none.
    pub fn of_needs(needs: &str) -> Vec<Self> {
        let kinds = |need: &str| match need {
            "public" => vec![],
            "temp" => vec![Self::Temp],
            "widget" => vec![Self::Widget],
            "chat" => vec![Self::Chat],
            need if need.starts_with("jwt(") => {
                let named = |role, kind| need.contains(role).then_some(kind);
                let kinds = [named("domain_owner", Self::Owner), named("super_admin", Self::SuperAdmin)];
                kinds.into_iter().flatten().collect()
            }
            need if need.ends_with("+mfa") || need.ends_with("+factor") => vec![Self::Strong],
            need if need.starts_with("jwt") => vec![Self::Person],
            "dkey(introspect)" => vec![Self::Platform],
            need if need.contains("key(") => vec![Self::Key],
            need => panic!("{need} is no need"),
        };
        needs.split('|').flat_map(kinds).collect()
    }

    /// The kinds that a row takes: where it looks for a page's cookie, that of whom it needs.
    pub fn of_row<S>(row: &Row<S>) -> Vec<Self> {
        let at = |kind| match (row.spec.place, kind) {
            (Place::Page(_), Self::Person) => Self::Page,
            (Place::Page(_), Self::Strong) => Self::StrongPage,
            (_, kind) => kind,
        };
        Self::of_needs(&row.rule.to_string().replace(' ', "")).into_iter().map(at).collect()
    }

    /// Whether it is a page's.
    pub const fn is_page(self) -> bool {
        matches!(self, Self::Page | Self::StrongPage)
    }

    /// Whether it is an access token of a person.
    pub const fn is_person(self) -> bool {
        matches!(self, Self::Person | Self::Strong | Self::Owner | Self::SuperAdmin)
    }

    /// A live one of a tenant, that may everything its kind can.
    pub fn of(self, holdings: &Holdings, service: Service) -> String {
        let credential = match (self, service) {
            (Self::Key, Service::Hub) => &holdings.hub_key,
            (Self::Key, Service::Chatbot) => &holdings.domain_key,
            (Self::Temp, _) => &holdings.temp.0,
            (Self::Widget, _) => &holdings.widget.0,
            (Self::Chat, _) => &holdings.chat,
            (Self::Person, _) => &holdings.person.access,
            (Self::Strong, _) => &holdings.strong.access,
            (Self::Page, _) => &holdings.person.page,
            (Self::StrongPage, _) => &holdings.strong.page,
            (Self::Owner, _) => &holdings.owner.access,
            (Self::Platform, _) => &holdings.introspection_key,
            (Self::SuperAdmin, Service::Chatbot) => &holdings.admin.access,
            (Self::SuperAdmin, Service::Hub) => &holdings.admin_at_hub.access,
        };
        assert!(credential.len() > 30, "{self:?} is missing");
        credential.clone()
    }

    /// A well-formed one that nobody issued.
    pub fn unknown(self, world: &World, service: Service) -> String {
        let entropy = world.hub_platform.entropy.as_ref();
        if self.is_person() {
            return forged(world, service, entropy);
        }
        if self.is_page() {
            return forged_page(world, entropy);
        }
        let drawn = match self {
            Self::Key => draw_key(service, entropy).0,
            Self::Platform => draw_key(Service::Chatbot, entropy).0,
            Self::Temp => draw_temp_token(entropy),
            Self::Widget => draw_session(SessionKind::Widget, entropy),
            Self::Chat => draw_session(SessionKind::Chat, entropy),
            _ => unreachable!("made above"),
        };
        let unknown = drawn.reveal().expose().to_owned();
        assert!(classify(&unknown).is_ok(), "{self:?} is not well-formed");
        unknown
    }

    /// One of the first tenant whose time is over, or that was revoked by itself or with its parent; until then
    /// it was good. Waiting for its end ends other credentials too.
    pub async fn ended(self, world: &World, service: Service, expired: bool) -> String {
        if self == Self::Widget {
            return ended_widget(world, expired).await;
        }
        if self.is_page() {
            return ended_page(world, self, expired).await;
        }
        if self.is_person() {
            return ended_login(world, self, service, expired).await;
        }
        // Only the chatbot service mints tokens, whatever the service that they are shown to.
        let maker = if self == Self::Key { service } else { Service::Chatbot };
        let tenant = match self {
            Self::Platform => Tenant::PLATFORM,
            _ => world.tenant_of(&world.a, maker).await,
        };
        let soon = world.clock.now() + Duration::from_secs(60);
        let all = Permissions::of_tenant(tenant, maker);
        let (secret, id) = world.key(maker, tenant, all, expired.then_some(soon)).await;
        let credential = match self {
            Self::Temp => world.temp(&secret, 1).await.0,
            Self::Chat => opened_chat(world, &world.temp(&secret, 1).await.0).await,
            _ => secret,
        };
        assert_good(world, maker, &credential).await;
        if expired {
            world.advance(Duration::from_secs(60)).await;
        } else {
            world.revoke(maker, &id).await;
        }
        credential
    }
}

/// A service accepts a credential.
async fn assert_good(world: &World, service: Service, credential: &str) {
    let validator = &world.platform(service).validator;
    let whose = validator.authenticate(credential.as_bytes(), None, validator.reading()).await;
    assert!(whose.is_ok(), "it never was good: {whose:?}");
}

async fn opened_chat(world: &World, temp: &str) -> String {
    let opened = world.chatbot(Request::get(&format!("/autoconnect?token={temp}"))).await;
    opened.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned()
}

async fn ended_widget(world: &World, expired: bool) -> String {
    let body = format!(r#"{{"tenant":"{}","origin":"{}"}}"#, world.a.domain, world.a.origin);
    let opened = world.chatbot(Request::post("/v1/widget/session", &body)).await;
    let token = opened.field("token");
    assert_good(world, Service::Chatbot, &token).await;
    if expired {
        world.advance(Duration::from_secs(3600)).await;
    } else {
        let id = opened.field("session_id").parse().unwrap();
        auth_core::flow::revoke_token(&world.chatbot_platform, &operator(), id).await.unwrap();
    }
    token
}

/// An access token of the first tenant's person, in all but the key that made it.
fn forged(world: &World, service: Service, entropy: &dyn Entropy) -> String {
    let part = world.a.person.access.split('.').nth(1).unwrap().as_bytes();
    let claims: serde_json::Value =
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(part).unwrap()).unwrap();
    let id = |name: &str| claims[name].as_str().unwrap();
    let now = world.clock.now();
    let claims = Claims {
        id: AccessTokenId::draw(now, entropy),
        person: id("sub").parse().unwrap(),
        session: id("sid").parse().unwrap(),
        audience: service,
        issued_at: now,
        expires_at: now + LIFE,
        role: Some(Role::SuperAdmin),
        domain: None,
        amr: Amr::of([Method::Password, Method::OneTimePassword]),
        auth_time: now,
    };
    let key = SigningKey::generate(Algorithm::EdDsa, entropy).unwrap();
    Issuer::parse(ISSUER).unwrap().issue(&key, &claims).unwrap().expose().to_owned()
}

/// The cookie of a page that is in the first tenant's session, in all but the keyring that made it.
fn forged_page(world: &World, entropy: &dyn Entropy) -> String {
    let expires_at = world.clock.now() + PAGE_LIFE;
    let page = PageSession { session: world.a.person.session.parse().unwrap(), expires_at };
    let other = Keyring::new(&[Zeroizing::new([77; 32])]).unwrap();
    page.seal(&other, entropy).reveal().expose().to_owned()
}

async fn ended_page(world: &World, kind: Kind, expired: bool) -> String {
    let person = match kind {
        Kind::StrongPage => world.log_in_strongly(&world.a.strong).await,
        _ => world.log_in(&world.a).await,
    };
    let shown = Request::get("/account").header("Cookie", &format!("__Host-session={}", person.page));
    let shown = world.chatbot(shown).await;
    assert_eq!(shown.status, 200, "it never was good: {}", shown.body);
    if expired {
        world.advance(PAGE_LIFE).await;
    } else {
        let out = world.chatbot(Request::new("POST", "/auth/logout").bearer(&person.access)).await;
        assert_eq!(out.status, 204, "{}", out.body);
    }
    person.page
}

async fn ended_login(world: &World, kind: Kind, service: Service, expired: bool) -> String {
    let person = match kind {
        Kind::Strong => world.log_in_strongly(&world.a.strong).await,
        Kind::Owner => world.log_in_strongly(&world.a.owner).await,
        Kind::SuperAdmin if service == Service::Hub => {
            let admin = world.log_in_strongly(&world.a.admin).await;
            world.at_hub(&admin).await
        }
        Kind::SuperAdmin => world.log_in_strongly(&world.a.admin).await,
        _ => world.log_in(&world.a).await,
    };
    let token = person.access;
    assert_good(world, service, &token).await;
    if expired {
        world.advance(LIFE).await;
    } else if service == Service::Hub {
        // The Hub ends no sessions, and the chatbot service takes no token for the Hub: whoever holds it revokes it.
        let out = world.chatbot(form("/auth/revoke", &format!("token={token}"))).await;
        assert_eq!(out.status, 200, "{}", out.body);
    } else {
        let out = world.chatbot(Request::new("POST", "/auth/logout").bearer(&token)).await;
        assert_eq!(out.status, 204, "{}", out.body);
    }
    token
}

/// A form that is sent to a path.
pub fn form(path: &str, fields: &str) -> Request {
    let request = Request::new("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
    Request { body: fields.to_owned(), ..request }
}

/// A request as a trusted proxy hands it on, from an address that nobody has called from: it is counted by itself.
pub fn from_afar(request: Request) -> Request {
    static CALLERS: AtomicU32 = AtomicU32::new(0x0a00_0001);
    let address = Ipv4Addr::from_bits(CALLERS.fetch_add(1, Ordering::Relaxed));
    request.header("X-Forwarded-For", &address.to_string())
}

/// A damaged credential, that can be none at all: with another last character, which its checksum tells, or cut
/// short where it has none.
pub fn damaged(credential: &str) -> String {
    let mut damaged = credential.to_owned();
    let other = if damaged.pop() == Some('a') { 'b' } else { 'a' };
    damaged.push(other);
    if classify(&damaged).is_ok() {
        damaged.truncate(15);
    }
    assert_eq!(classify(&damaged), Err(Malformed));
    damaged
}

/// The example of a row about what a tenant owns, with a credential where the row takes it.
pub fn request<S: WebService>(row: &Row<S>, holdings: &Holdings, credential: Option<&str>) -> Request {
    let spec = &row.spec;
    let mut query = spec.query.to_owned();
    let mut header = None;
    match (spec.place, credential) {
        (_, None) => query = without_credential(&query),
        (Place::Header, Some(credential)) => header = Some(("Authorization", format!("Bearer {credential}"))),
        (Place::Query(name), Some(credential)) => {
            query = query.replace(&format!("{name}={{temp_token}}"), &format!("{name}={credential}"));
        }
        (Place::Cookie(name) | Place::Page(name), Some(credential)) => {
            header = Some(("Cookie", format!("{name}={credential}")));
        }
    }
    // Only who asked is admitted.
    let path = match spec.id {
        "member_admit" => spec.path.replace("{person_id}", &holdings.applicant),
        _ => spec.path.to_owned(),
    };
    let target = holdings.fill(S::KIND, &path);
    let query = holdings.fill(S::KIND, &query);
    let target = if query.is_empty() { target } else { format!("{target}?{query}") };
    let mut request = Request::new(spec.method.name(), &target);
    if let Some((name, value)) = header {
        request = request.header(name, &value);
    }
    if spec.id == "page_factor" {
        request = request.header("Cookie", &format!("__Host-login={}", holdings.strong.pending));
    }
    if spec.id == "oauth_callback" {
        request = request.header("Cookie", &format!("__Host-oauth={}", holdings.arrival.binding));
    } else if spec.is_page {
        request = request.header("Sec-Fetch-Site", "same-origin");
    }
    let body = holdings.fill(S::KIND, spec.body);
    if body.starts_with('{') {
        return request.json(&body);
    }
    if !body.is_empty() {
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
        if !spec.is_page {
            request = request.header("Sec-Fetch-Site", "same-origin");
        }
        request.body = body;
    }
    request
}

fn without_credential(query: &str) -> String {
    query.split('&').filter(|pair| !pair.contains("{temp_token}")).collect::<Vec<_>>().join("&")
}

/// What is wrong with an answer, whoever gets it and whatever it says.
pub fn wrong_form(answer: &Response, service: Service) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in ["x-request-id", "referrer-policy"] {
        if answer.header(name).is_none() {
            wrong.push(format!("lacks {name}"));
        }
    }
    let policy = answer.header("content-security-policy").unwrap_or_default();
    if !policy.split("; ").any(|directive| directive == "frame-ancestors 'none'") {
        wrong.push(format!("may be framed: {policy:?}"));
    }
    if answer.header("cache-control") != Some("no-store")
        || answer.header("x-content-type-options") != Some("nosniff")
    {
        wrong.push("may be stored or sniffed".to_owned());
    }
    if answer.status >= 400 && answer.header("content-type") != Some("application/problem+json") {
        wrong.push("is no problem+json".to_owned());
    }
    if answer.status >= 400 && answer.header("x-request-id") != Some(answer.field("request_id").as_str()) {
        wrong.push("names another request".to_owned());
    }
    if answer.status == 401 {
        let mut body = answer.json();
        body["request_id"] = serde_json::Value::Null;
        let one = serde_json::json!({
            "type": "/docs/problems#unauthenticated", "title": "A valid credential is required", "status": 401,
            "detail": "No valid credential was presented.", "code": "unauthenticated", "request_id": null,
        });
        if body != one {
            wrong.push(format!("is not the one 401: {body}"));
        }
    }
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    if (answer.status == 401) != challenge.starts_with(&format!("Bearer realm=\"{service}\""))
        && answer.field("code") != "insufficient_scope"
    {
        wrong.push(format!("challenges with {challenge:?}"));
    }
    if [503, 429].contains(&answer.status) && answer.header("retry-after").is_none() {
        wrong.push("does not say when to try again".to_owned());
    }
    wrong
}
