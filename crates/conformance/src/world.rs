//! Both services on a fresh store, with two tenants that own one of everything.

pub use crate::holdings::{Arrival, Holdings, Person};
pub use crate::operator::prove;
use crate::settled::Settled;
use crate::{
    ambient::{SeededEntropy, StepClock, seed_of},
    authenticator::{Pair, Passkey},
    client::{Request, Response},
    earlier,
    linking::{Linking, stand_ins, targets},
    mailbox::Mailbox,
    operator::operator,
    place::{Backend, Place},
    stand_in::NoPause,
};
use auth_core::{
    credential::{PAGE_LIFE, PageSession, TotpSecret},
    flow::{Calendars, KeyOrder, Platform, issue_key, revoke_key},
    id::{AccountId, DomainId, KeyId, PersonId},
    jwt::{Issuer, SigningKeys},
    model::{
        Address, Domain, DomainName, DomainOwner, DomainPatch, Name, NewAccount, NewDomain, Set, WebOrigin,
    },
    policy::{Installation, Networks, Permission, Permissions, Rights, Role, grant},
    port::{CalendarProvider, ChangeDomain, CreateAccount, CreateDomain, CreateKey, Stores},
    principal::Tenant,
    service::Service,
    time::{Clock as _, Timestamp},
};
use auth_web::{App, Service as _, serve};
use chatbot_service::{
    Chatbot,
    issuer::Tokens,
    responder::Responder,
    settings::{People, Registration, Switch},
};
use hub_service::{
    Hub,
    settings::{Billing, relying_party},
};
use ipnet::IpNet;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// In tests people register, and hashes are cheap.
pub const PEOPLE: People =
    People { registration: Registration::Open, password_reset: Switch::On, password_cost: 4 };

/// Who issues access tokens in tests.
pub const ISSUER: &str = "https://chat.example.com";

/// How the services are to be.
pub(crate) struct Wanted<'a> {
    backend: &'a Backend,
    responder: Responder,
    proxies: Vec<IpNet>,
    people: People,
    host: Option<&'static str>,
    pub(crate) linking: Option<&'a dyn Linking>,
}

impl<'a> Wanted<'a> {
    /// As they are in most tests.
    pub(crate) const fn on(backend: &'a Backend) -> Self {
        Self {
            backend,
            responder: Responder::BuiltIn,
            proxies: Vec::new(),
            people: PEOPLE,
            host: None,
            linking: None,
        }
    }
}

/// Both services, running.
pub struct World {
    /// Their store, as the operator opens it.
    pub stores: Stores,
    /// Their clock.
    pub clock: StepClock,
    /// Where the Hub listens.
    pub hub: SocketAddr,
    /// Where the chatbot service listens.
    pub chatbot: SocketAddr,
    /// The Hub's core.
    pub hub_platform: Platform,
    /// The chatbot service's core.
    pub chatbot_platform: Platform,
    /// The operator's core, as `authctl` has one: it changes what the services know.
    pub operator_platform: Platform,
    /// The first tenant.
    pub a: Holdings,
    /// The second.
    pub b: Holdings,
    /// Where its letters arrive.
    pub mailbox: Mailbox,
    /// Where the store is; its files are removed with the world.
    pub place: Place,
    pub(crate) people: People,
    hub_app: Arc<App<Hub>>,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<std::io::Result<()>>>,
}

impl World {
    /// Starts both services on a fresh store, on ports of their own.
    pub async fn start() -> Self {
        Self::start_as(Wanted::on(&Backend::chosen()), |stores| stores).await
    }

    /// The same, with what `around` makes of the store under each service, and this responder behind the chat.
    pub async fn start_with(around: impl Fn(Stores) -> Stores, responder: Responder) -> Self {
        Self::start_as(Wanted { responder, ..Wanted::on(&Backend::chosen()) }, around).await
    }

    /// The same, behind proxies of these networks.
    pub async fn start_behind(proxies: Vec<IpNet>) -> Self {
        Self::start_as(Wanted { proxies, ..Wanted::on(&Backend::chosen()) }, |stores| stores).await
    }

    /// The same, on this backend.
    pub async fn start_on(backend: &Backend) -> Self {
        Self::start_as(Wanted::on(backend), |stores| stores).await
    }

    /// The same, where people register and log in like this. Where nobody registers, those did so before.
    pub async fn start_for(people: People) -> Self {
        let backend = Backend::chosen();
        if people.registration == Registration::Off && Settled::on(&backend).is_none() {
            Self::start_on(&backend).await.end().await;
        }
        Self::start_as(Wanted { people, ..Wanted::on(&backend) }, |stores| stores).await
    }

    /// The same, where a browser of this machine reaches the issuer (passkeys are for its host): what tenants hold is no good.
    pub async fn start_for_browsers() -> Self {
        let backend = Backend::chosen();
        if Settled::on(&backend).is_none() {
            Self::start_on(&backend).await.end().await;
        }
        Self::start_as(Wanted { host: Some("localhost"), ..Wanted::on(&backend) }, |stores| stores).await
    }

    pub(crate) async fn start_as(wanted: Wanted<'_>, around: impl Fn(Stores) -> Stores) -> Self {
        let Wanted { backend, responder, proxies, people, host, linking } = wanted;
        let as_it_was = people == PEOPLE || people.registration == Registration::Off;
        let settled = Settled::on(backend).filter(|_| as_it_was);
        let place = match settled {
            Some(settled) => settled.place(backend).await,
            None => Place::divided(backend).await,
        };
        let seed = seed_of(place.dir.path());
        println!("CONFORMANCE_SEED={seed}");
        let entropy = Arc::new(SeededEntropy::new(seed));
        let stores = place.open().await;
        let clock = StepClock::default();
        clock.advance(settled.map_or(Duration::ZERO, |settled| settled.passed));
        let platform =
            |service, stores| Platform::new(service, stores, Arc::new(clock.clone()), entropy.clone() as _);
        let operator_platform = platform(Service::Hub, stores.clone());
        let [of_hub, of_chatbot] =
            place.open_by_roles().await.unwrap_or_else(|| [stores.clone(), stores.clone()]);
        let for_vault = of_hub.clone();
        let parts = (around(of_chatbot), Arc::new(clock.clone()) as _, Arc::clone(&entropy) as _);
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let listen = || serve::bind(any).unwrap();
        let (hub_listener, chatbot_listener) = (listen(), listen());
        let (hub, chatbot) = (hub_listener.local_addr().unwrap(), chatbot_listener.local_addr().unwrap());
        let issuer =
            host.map_or_else(|| ISSUER.to_owned(), |host| format!("http://{host}:{}", chatbot.port()));
        let keys = SigningKeys::new(Issuer::parse(&issuer).unwrap(), Arc::new(Place::keyring()));
        let keys = keys.taking(earlier::taken_from(clock.now()));
        let (settings, mailbox) = ((Tokens::default(), people), Mailbox::default());
        let post = Some(mailbox.post());
        let chatbot_service = Chatbot::open(parts, keys, settings, responder, post).await.unwrap();
        let chatbot_platform = chatbot_service.platform().clone();
        let (stop, stopped) = watch::channel(false);
        let asked = Permissions::of_platform(Service::Chatbot);
        let asking = async || {
            let rights = every(asked, None);
            make_key(&operator_platform, Service::Chatbot, Tenant::PLATFORM, rights).await.0
        };
        let (asking, other) = match settled {
            Some(Settled { a, b, .. }) => (a.introspection_key.clone(), b.introspection_key.clone()),
            None => (asking().await, asking().await),
        };
        let issuer = relying_party(&format!("http://{chatbot}"), Some(&issuer), asking.clone()).unwrap();
        let (hub_clock, hub_entropy) = (Arc::new(clock.clone()), Arc::clone(&entropy) as _);
        let hub_platform =
            Platform::relying(Service::Hub, around(of_hub), hub_clock, hub_entropy, Arc::new(issuer));
        let billing = Billing { sms_cents: 5, phone_cents: 20, ..Billing::default() };
        let providers: Vec<Arc<dyn CalendarProvider>> = match linking {
            Some(linking) => linking.providers(hub, &clock).await,
            None => stand_ins(&clock),
        };
        let targets = targets(linking.and_then(Linking::application));
        let vault = place.vault(&for_vault, &clock, entropy.as_ref()).await;
        let calendars = Calendars::new(vault, providers, targets, Arc::new(NoPause));
        let hub_service = Hub::new(hub_platform.clone(), billing.tariff()).linking(calendars);
        let hub_app = Arc::new(App::new(hub_service, proxies.clone()));
        let chatbot_app = App::new(chatbot_service, proxies);
        let running = vec![
            tokio::spawn(serve::serve(Arc::clone(&hub_app), hub_listener, 1, stopped.clone())),
            tokio::spawn(serve::serve(Arc::new(chatbot_app), chatbot_listener, 1, stopped)),
        ];
        let (a, b) = settled.map(|settled| (settled.a.clone(), settled.b.clone())).unwrap_or_default();
        let mut world = Self {
            stores,
            clock,
            hub,
            chatbot,
            hub_platform,
            chatbot_platform,
            operator_platform,
            a,
            b,
            mailbox,
            place,
            people,
            hub_app,
            stop,
            running,
        };
        world.current().await;
        if settled.is_none() {
            world.a = Holdings { introspection_key: asking, ..world.settle_in("a").await };
            world.b = Holdings { introspection_key: other, ..world.settle_in("b").await };
            if people == PEOPLE {
                Settled::keep(backend, &world).await;
            }
        }
        // A challenge is no other world's.
        if host.is_none() {
            world.challenge_anew().await;
        }
        world
    }

    /// Every row of the store, but for what changes by itself: see [`Place::dump`].
    pub async fn dump(&self) -> Vec<String> {
        self.place.dump().await
    }

    /// Waits until both services serve from memory.
    pub async fn current(&self) {
        for validator in [&self.hub_platform.validator, &self.chatbot_platform.validator] {
            until("a service serves from memory", || validator.is_current()).await;
        }
    }

    /// Stops both services and waits for their end: what they leave behind lies in the place, until that is dropped.
    pub async fn end(self) -> Place {
        self.stop.send(true).unwrap();
        for running in self.running {
            running.await.unwrap().unwrap();
        }
        self.place
    }

    /// What the Hub does by itself every hour.
    pub async fn upkeep_of_hub(&self) {
        self.hub_app.service.upkeep().await;
    }

    /// Lets time pass.
    pub async fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.current().await;
    }

    /// The core of a service.
    pub fn platform(&self, service: Service) -> &Platform {
        match service {
            Service::Hub => &self.hub_platform,
            Service::Chatbot => &self.chatbot_platform,
        }
    }

    /// Where a service listens.
    pub const fn address(&self, service: Service) -> SocketAddr {
        match service {
            Service::Hub => self.hub,
            Service::Chatbot => self.chatbot,
        }
    }

    /// Sends a request to the Hub.
    pub async fn hub(&self, request: Request) -> Response {
        request.send(self.hub).await.unwrap()
    }

    /// Sends a request to the chatbot service.
    pub async fn chatbot(&self, request: Request) -> Response {
        request.send(self.chatbot).await.unwrap()
    }

    /// Makes an account, its domain, and one of everything.
    async fn settle_in(&self, name: &str) -> Holdings {
        let tenant = self.tenant(name).await;
        let origin = format!("https://www.{name}.example");
        let hub_tenant = Tenant { domain: None, ..tenant };
        let hub_key = self.key(Service::Hub, hub_tenant, Permissions::all_of(Service::Hub), None).await.0;
        let domain_key =
            self.key(Service::Chatbot, tenant, Permissions::all_of(Service::Chatbot), None).await.0;
        let idle_key = self.key(Service::Hub, hub_tenant, Permissions::NONE, None).await;
        let account_id = tenant.account.to_string();
        let call = self
            .hub(
                Request::post(
                    "/start",
                    r#"{"type":"reminder","channel":"phone","phone_number":"+14155550123","client_name":"Alice",
                    "client_email":"alice@example.com","instruction":"Call.","domain_name":"x","language":"en"}"#,
                )
                .bearer(&hub_key),
            )
            .await;
        let users = format!("/accounts/{account_id}/users");
        let user = r#"{"name":"Bob","email":"bob@example.com"}"#;
        let user = self.hub(Request::post(&users, user).bearer(&hub_key)).await.field("user_id");
        self.link(&hub_key, &user, "google", &format!("bob-{name}")).await;
        let arrival = self.arriving(&hub_key, &user, "microsoft", &format!("bob-{name}")).await;
        let temp = self.temp(&domain_key, 24).await;
        let connect = Request::get(&format!("/autoconnect?token={}", temp.0));
        let cookie = self.chatbot(connect).await.header("set-cookie").unwrap_or_default().to_owned();
        let chat = cookie.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
        let person = self.enrolling(self.person("alice", name, tenant, Role::Member).await).await;
        let person = self.mailed(person).await;
        let strong = self.strong("bob", name, tenant, Role::Member).await;
        let strong = self.with_passkey(&strong, |id| Passkey::new(id, Pair::ec())).await;
        let strong = self.pending(&strong).await;
        let owner = self.strong("carol", name, tenant, Role::DomainOwner).await;
        let admin = self.strong("dora", name, tenant, Role::SuperAdmin).await;
        let admin_at_hub = self.at_hub(&admin).await;
        let applicant = self.register("erin", name, Some(&format!("{name}.example"))).await.id;
        let idle_domain_key = self.key(Service::Chatbot, tenant, Permissions::NONE, None).await;
        let widget = format!(r#"{{"tenant":"{name}.example","origin":"{origin}"}}"#);
        let widget = self.chatbot(Request::post("/v1/widget/session", &widget)).await;
        Holdings {
            account_id,
            domain: format!("{name}.example"),
            origin,
            hub_key,
            domain_key,
            idle_key,
            call_sid: call.field("call_sid"),
            user_id: user,
            arrival,
            temp,
            widget: (widget.field("token"), widget.field("session_id")),
            chat,
            person,
            strong,
            owner,
            admin,
            admin_at_hub,
            applicant,
            idle_domain_key,
            introspection_key: String::new(),
        }
    }

    /// Registers a person, who may ask to be a member of a domain.
    pub async fn register(&self, who: &str, name: &str, domain: Option<&str>) -> Person {
        let (email, password) = (format!("{who}@{name}.example"), format!("violet tapir {name} quietly"));
        let mut body = serde_json::json!({ "email": email, "password": password, "name": "Somebody" });
        if let Some(domain) = domain {
            body["domain"] = domain.into();
        }
        let registered = self.chatbot(Request::post("/auth/register", &body.to_string())).await;
        assert_eq!(registered.status, 202, "{}", registered.body);
        self.verify_where_asked(&email).await;
        let address = Address::parse(&email).unwrap();
        let login = self.stores.people.by_address(&address).await.unwrap().unwrap();
        Person { id: login.person.id.to_string(), email, password, ..Person::default() }
    }

    /// Registers a person, gives them a role, and logs them in.
    pub async fn person(&self, who: &str, name: &str, tenant: Tenant, role: Role) -> Person {
        let person = self.register(who, name, None).await;
        self.join(&person.id, tenant, role).await;
        self.log_in(&Holdings { person, ..Holdings::default() }).await
    }

    /// Begins to enrol an authenticator of a person.
    pub async fn enrolling(&self, person: Person) -> Person {
        let enrolling = Request::new("POST", "/auth/mfa/totp/enroll").bearer(&person.access);
        let answer = self.chatbot(enrolling).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let totp = answer.field("secret");
        let code = TotpSecret::parse(&totp).unwrap().code(self.clock.now());
        Person { totp, code, ..person }
    }

    /// Registers a person with a second factor, who is logged in by it.
    pub async fn strong(&self, who: &str, name: &str, tenant: Tenant, role: Role) -> Person {
        let person = self.enrolling(self.person(who, name, tenant, role).await).await;
        let body = format!(r#"{{"code":"{}"}}"#, person.code);
        let confirmed = Request::post("/auth/mfa/totp/confirm", &body).bearer(&person.access);
        self.in_session(&person, &self.chatbot(confirmed).await).await
    }

    /// Shows the password of a person with a second factor, who has yet to show a code that was not shown before.
    pub async fn pending(&self, person: &Person) -> Person {
        let body = format!(r#"{{"email":"{}","password":"{}"}}"#, person.email, person.password);
        let answer = self.chatbot(Request::post("/auth/login", &body)).await;
        assert_eq!(answer.json()["mfa_required"], true, "{}", answer.body);
        // One step ahead: that of now was shown.
        let next = self.clock.now() + Duration::from_secs(30);
        let code = TotpSecret::parse(&person.totp).unwrap().code(next);
        Person { pending: answer.field("mfa_token"), code, ..person.clone() }
    }

    /// Logs a person with a second factor in, once more, after the time of the codes that were shown.
    pub async fn log_in_strongly(&self, person: &Person) -> Person {
        self.advance(Duration::from_secs(60)).await;
        let person = self.pending(person).await;
        let body = format!(r#"{{"mfa_token":"{}","code":"{}"}}"#, person.pending, person.code);
        self.in_session(&person, &self.chatbot(Request::post("/auth/mfa/verify", &body)).await).await
    }

    /// Logs a person with a second factor in for the Hub, by one of the recovery codes that they draw: no time goes by.
    pub async fn at_hub(&self, person: &Person) -> Person {
        let codes = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&person.access);
        let code = self.chatbot(codes).await.json()["recovery_codes"][0].as_str().unwrap().to_owned();
        let body =
            serde_json::json!({ "email": person.email, "password": person.password, "audience": "hub" });
        let pending = self.chatbot(Request::post("/auth/login", &body.to_string())).await.field("mfa_token");
        let body = serde_json::json!({ "mfa_token": pending, "recovery_code": code }).to_string();
        let answer = self.chatbot(Request::post("/auth/mfa/verify", &body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (access, refresh) = (answer.field("access_token"), answer.field("refresh_token"));
        Person { access, refresh, session: String::new(), ..person.clone() }
    }

    /// A person in the session that an answer began.
    pub async fn in_session(&self, person: &Person, answer: &Response) -> Person {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (access, refresh) = (answer.field("access_token"), answer.field("refresh_token"));
        let me = self.chatbot(Request::get("/auth/me").bearer(&access)).await;
        let session = me.field("session_id");
        let page = self.page(&session);
        Person { id: me.field("id"), session, access, refresh, page, ..person.clone() }
    }

    /// The cookie of a page that is in a session.
    pub fn page(&self, session: &str) -> String {
        let expires_at = self.clock.now() + PAGE_LIFE;
        let page = PageSession { session: session.parse().unwrap(), expires_at };
        let entropy = self.chatbot_platform.entropy.as_ref();
        page.seal(&Place::keyring(), entropy).reveal().expose().to_owned()
    }

    /// Gives a person a role past the store: of a domain, or of the platform.
    pub async fn join(&self, person: &str, tenant: Tenant, role: Role) {
        let hex = |bytes: &[u8]| self.place.bytes(&data_encoding::HEXLOWER.encode(bytes));
        let (domain, person) = (tenant.domain.unwrap(), person.parse::<PersonId>().unwrap());
        let (domain, person) = (hex(domain.as_bytes()), hex(person.as_bytes()));
        let sql = match role {
            Role::SuperAdmin => format!("UPDATE people SET super_admin = 1 WHERE id = {person}"),
            role => format!(
                "INSERT INTO members (domain_id, person_id, role, created_at, version) \
                 VALUES ({domain}, {person}, '{}', 0, 1)",
                role.name()
            ),
        };
        self.place.execute(&sql).await;
    }

    /// Logs the person of a tenant in, once more.
    pub async fn log_in(&self, holdings: &Holdings) -> Person {
        // What is made within one millisecond has no order.
        self.advance(Duration::from_millis(1)).await;
        let Person { email, password, .. } = &holdings.person;
        let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
        let answer = self.chatbot(Request::post("/auth/login", &body)).await;
        self.in_session(&holdings.person, &answer).await
    }

    async fn tenant(&self, name: &str) -> Tenant {
        let (now, entropy) = (self.clock.now(), self.hub_platform.entropy.as_ref());
        let proof = operator();
        let account = AccountId::draw(now, entropy);
        let new = NewAccount {
            id: account,
            name: Name::parse(&format!("Account {name}")).unwrap(),
            contact: None,
            at: now,
        };
        let granted = grant::<CreateAccount, _>(&proof, &Installation).unwrap();
        self.stores.accounts.create(&granted, new, Vec::new(), None).await.unwrap();
        let owner = self.stores.accounts.read(proof.scope(), account).await.unwrap().unwrap();
        let domain = DomainId::draw(now, entropy);
        let name_of = DomainName::parse(&format!("{name}.example")).unwrap();
        let granted = grant::<CreateDomain, _>(&proof, &DomainOwner::of(&owner)).unwrap();
        let new = NewDomain { id: domain, name: name_of.clone(), at: now };
        self.stores.domains.create(&granted, new, None).await.unwrap();
        let found = self.domain(&name_of).await;
        let granted = grant::<ChangeDomain, _>(&proof, &found).unwrap();
        let origins = Set::To(vec![WebOrigin::parse(&format!("https://www.{name}.example")).unwrap()]);
        let patch = DomainPatch { origins, ..DomainPatch::default() };
        self.stores.domains.change(&granted, found.version, patch, now).await.unwrap();
        Tenant { account, domain: Some(domain) }
    }

    /// The domain of a name, as the operator sees it.
    pub async fn domain(&self, name: &DomainName) -> Domain {
        self.stores.domains.by_name(operator().scope(), name).await.unwrap().unwrap()
    }

    /// The tenant behind holdings, as a service sees it.
    pub async fn tenant_of(&self, holdings: &Holdings, service: Service) -> Tenant {
        let domain = self.domain(&DomainName::parse(&holdings.domain).unwrap()).await;
        let domain_id = (service == Service::Chatbot).then_some(domain.id);
        Tenant { account: domain.account, domain: domain_id }
    }

    /// Makes a key as the operator: its secret and its id.
    pub async fn key(
        &self,
        service: Service,
        tenant: Tenant,
        permissions: Permissions,
        expires_at: Option<Timestamp>,
    ) -> (String, String) {
        self.key_with(service, tenant, every(permissions, expires_at)).await
    }

    /// Makes a key with these rights as the operator: its secret and its id.
    pub async fn key_with(&self, service: Service, tenant: Tenant, rights: Rights) -> (String, String) {
        make_key(&self.operator_platform, service, tenant, rights).await
    }

    /// Revokes a key as the operator.
    pub async fn revoke(&self, service: Service, id: &str) {
        let id: KeyId = id.parse().unwrap();
        revoke_key(&self.operator_platform, &operator(), service, id).await.unwrap();
    }

    /// Mints a temporary token over HTTP, as the newest of its domain: its secret and its id.
    pub async fn temp(&self, domain_key: &str, hours: u32) -> (String, String) {
        // What is made within one millisecond has no order.
        self.advance(Duration::from_millis(1)).await;
        let body = format!(r#"{{"username":"alice","expires_in_hours":{hours}}}"#);
        let minted = Request::post("/auth/api/v1/tokens/generate", &body).bearer(domain_key);
        let token = self.chatbot(minted).await.field("token");
        let listed = self.chatbot(Request::get("/auth/api/v1/tokens?limit=1").bearer(domain_key)).await;
        (token, listed.json()["items"][0]["id"].as_str().unwrap_or_default().to_owned())
    }

    /// The actions and actors of the audit trail from a number on, refusals apart.
    pub async fn audited_since(&self, seq: i64) -> Vec<(String, String)> {
        let entries = self.stores.audit.scan(seq + 1, u16::MAX).await.unwrap();
        let action = |event: &str| {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            event["action"].as_str().unwrap().to_owned()
        };
        entries
            .into_iter()
            .map(|found| (action(&found.entry.event), found.entry.actor))
            .filter(|(action, _)| action != "request.refused")
            .collect()
    }
}

/// These permissions, from anywhere.
const fn every(permissions: Permissions, expires_at: Option<Timestamp>) -> Rights {
    Rights { permissions, expires_at, networks: Networks::ANY, rate_limit: None }
}

async fn make_key(platform: &Platform, service: Service, tenant: Tenant, rights: Rights) -> (String, String) {
    let proof = operator();
    let granted = grant::<CreateKey, _>(&proof, &tenant).unwrap();
    let order = KeyOrder { service, name: Name::parse("test key").unwrap(), rights };
    let issued = issue_key(platform, &proof, &granted, order, |_| None).await.unwrap();
    (issued.secret.reveal().expose().to_owned(), issued.id.to_string())
}

/// Waits until something holds; what never does fails in words.
pub async fn until(what: &str, holds: impl Fn() -> bool + Send + Sync) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(LONGEST, waiting).await.is_ok(), "within {LONGEST:?}: {what}");
}

/// The longest that anything is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A permission of exactly this name.
pub fn permission(name: &str) -> Permission {
    Permission::parse(name).unwrap()
}
