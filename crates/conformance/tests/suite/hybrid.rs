//! Super admins at the Hub: their tokens are made by the chatbot service, which is asked whether they still are good.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use auth_core::{
    amr::{Amr, Method},
    error::{Denial, FlowError, Refusal, StoreError},
    flow::Platform,
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{
        AGAIN_AFTER, Algorithm, Claims, Issuer, JwkSet, LIFE, PublicKey, RelyingParty, SigningKey, TokenState,
    },
    policy::Role,
    port::{Answer, TokenIssuer},
    principal::Principal,
    service::Service,
    time::{Clock as _, Timestamp},
    validate::LEASE,
};
use conformance::{
    ambient::{SeededEntropy, StepClock},
    caller::form,
    client::{Request, Response},
    place::Place,
    world::{ISSUER, Person, World},
};
use hub_service::chatbot::Chatbot;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

async fn at_hub(world: &World, method: &str, path: &str, body: Option<Value>, access: &str) -> Response {
    let request = Request::new(method, path).bearer(access);
    world.hub(body.map_or(request.clone(), |body| request.json(&body.to_string()))).await
}

async fn accounts(world: &World, access: &str) -> Response {
    at_hub(world, "GET", "/accounts", None, access).await
}

async fn patch_user(world: &World, whom: &Person, body: &Value) {
    let path = format!("/users/{}", whom.id);
    let request = Request::new("PATCH", &path).json(&body.to_string()).bearer(&world.b.admin.access);
    let answer = world.chatbot(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_super_admin_manages_accounts_and_their_keys() {
    let world = World::start().await;
    let admin = world.a.admin_at_hub.access.clone();
    let send =
        async |method: &str, path: &str, body: Value| at_hub(&world, method, path, Some(body), &admin).await;
    let made = send("POST", "/accounts", json!({ "name": "New", "domains": ["C.example"] })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.field("account_id");
    assert_eq!(send("POST", "/accounts", json!({ "name": "X", "domains": ["a.example"] })).await.status, 409);
    let twice = json!({ "name": "X", "domains": ["d.example", "D.example"] });
    assert_eq!(send("POST", "/accounts", twice).await.field("field"), "domains");
    let listed = accounts(&world, &admin).await.json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["New", "Account b", "Account a"], "and no account of the platform's own");

    let order = json!({ "name": "k", "account_id": id, "permissions": ["account_access", "audit_read"] });
    let key = send("POST", "/api-keys", order.clone()).await;
    assert_eq!((key.status, key.field("account_id")), (201, id.clone()), "{}", key.body);
    let secret = key.field("key");
    let whose = Request::get("/domain/c.example/account").bearer(&secret);
    assert_eq!(world.hub(whose.clone()).await.field("account_id"), id);
    let of_nobody = json!({ "name": "k", "permissions": ["account_access"] });
    assert_eq!(send("POST", "/api-keys", of_nobody).await.field("field"), "account_id");

    // A key changes name and contact of its account, and never its status.
    let path = format!("/accounts/{id}");
    let by_key = |body: Value| Request::new("PATCH", &path).json(&body.to_string()).bearer(&secret);
    assert_eq!(world.hub(by_key(json!({ "name": "Renamed" }))).await.field("name"), "Renamed");
    assert_eq!(world.hub(by_key(json!({ "status": "suspended" }))).await.status, 403);
    assert_eq!(send("PATCH", &path, json!({ "status": "suspended" })).await.field("status"), "suspended");
    assert_eq!(world.hub(whose.clone()).await.status, 401, "at once");
    assert_eq!(send("PATCH", &path, json!({ "status": "active" })).await.field("status"), "active");
    assert_eq!(world.hub(whose).await.status, 200);

    // The trail tells who did it, to whoever sees all of it.
    let events = at_hub(&world, "GET", "/audit/events?action=account.suspended", None, &admin).await;
    assert_eq!(events.json()["items"][0]["actor"], format!("person:{}", world.a.admin.id).as_str());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_at_the_service_that_it_was_made_for() {
    let world = World::start().await;
    let (here, there) = (world.a.admin_at_hub.access.clone(), world.a.admin.access.clone());
    assert_eq!(accounts(&world, &here).await.status, 200);
    assert_eq!(accounts(&world, &there).await.status, 401);
    let me = async |access: &str| world.chatbot(Request::get("/auth/me").bearer(access)).await.status;
    assert_eq!((me(&here).await, me(&there).await), (401, 200));
    // Whoever administers no more than a domain is somebody at the Hub, and may nothing.
    let owner = world.at_hub(&world.a.owner).await;
    assert_eq!(accounts(&world, &owner.access).await.status, 403);
    let own = format!("/accounts/{}", world.a.account_id);
    assert_eq!(at_hub(&world, "GET", &own, None, &owner.access).await.status, 403);
    world.end().await;
}

/// Row F9.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_asks_for_a_second_factor_of_just_now() {
    let world = World::start().await;
    let challenge = async |access: &str| {
        let answer = accounts(&world, access).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        answer.header("www-authenticate").unwrap().to_owned()
    };
    // By a password alone.
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let weak = world.person("henry", "a", tenant, Role::SuperAdmin).await;
    let body = json!({ "email": weak.email, "password": weak.password, "audience": "hub" });
    let weak = world.chatbot(Request::post("/auth/login", &body.to_string())).await.field("access_token");
    let wanted = r#"error="insufficient_user_authentication", acr_values="mfa", max_age=900"#;
    assert!(challenge(&weak).await.contains(wanted));
    // By a second factor that was shown too long ago.
    let strong = world.at_hub(&world.a.admin).await;
    world.advance(Duration::from_secs(9 * 60)).await;
    let body = json!({ "refresh_token": strong.refresh });
    let later = world.chatbot(Request::post("/auth/refresh", &body.to_string())).await.field("access_token");
    world.advance(Duration::from_secs(6 * 60 - 1)).await;
    assert_eq!(accounts(&world, &later).await.status, 200, "a second before the end");
    world.advance(Duration::from_secs(1) + Duration::from_millis(1)).await;
    assert!(challenge(&later).await.contains(wanted));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_none_any_more_is_none_at_the_hub_at_once() {
    let world = World::start().await;
    let admin = world.a.admin.clone();
    // Each way to end the session of a super admin.
    let ways = ["revoked", "refresh token revoked", "logged out everywhere", "demoted", "suspended"];
    let mut sessions = Vec::new();
    for way in ways {
        let person = if way == "demoted" || way == "suspended" {
            let name = way;
            let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
            world.strong(name, "a", tenant, Role::SuperAdmin).await
        } else {
            admin.clone()
        };
        sessions.push((way, world.at_hub(&person).await));
    }
    let twin = world.at_hub(&world.b.admin).await;
    for (way, session) in &sessions {
        // It is remembered.
        for _ in 0..2 {
            assert_eq!(accounts(&world, &session.access).await.status, 200, "{way}");
        }
        match *way {
            "revoked" => {
                let answer = world.chatbot(form("/auth/revoke", &format!("token={}", session.access))).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            "refresh token revoked" => {
                let fields = format!("token={}&token_type_hint=refresh_token", session.refresh);
                assert_eq!(world.chatbot(form("/auth/revoke", &fields)).await.status, 200);
            }
            "logged out everywhere" => {
                let out = Request::new("POST", "/auth/logout-all").bearer(&admin.access);
                assert_eq!(world.chatbot(out).await.status, 204);
            }
            "demoted" => patch_user(&world, session, &json!({ "super_admin": false })).await,
            _ => patch_user(&world, session, &json!({ "status": "suspended" })).await,
        }
        assert_eq!(accounts(&world, &session.access).await.status, 401, "{way}");
        let body = json!({ "refresh_token": session.refresh });
        let refreshed = world.chatbot(Request::post("/auth/refresh", &body.to_string())).await;
        assert_eq!(refreshed.status, 401, "{way}");
    }
    assert_eq!(accounts(&world, &twin.access).await.status, 200, "another's session goes on");
    world.end().await;
}

/// RFC 7662 and RFC 7009, and what neither tells a stranger.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_of_to_the_platforms_own_services_alone() {
    let world = World::start().await;
    let state = async |token: &str| {
        let asked = form("/auth/introspect", &format!("token={token}")).bearer(&world.a.introspection_key);
        let answer = world.chatbot(asked).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let person = world.log_in(&world.a).await;
    let said = state(&person.access).await;
    assert_eq!(
        (&said["active"], &said["iss"], &said["aud"]),
        (&json!(true), &json!(ISSUER), &json!("chatbot"))
    );
    assert_eq!((&said["sub"], &said["sid"]), (&json!(person.id), &json!(person.session)));
    assert_eq!((&said["roles"], &said["domain"]), (&json!(["member"]), &json!("a.example")));
    let admin = state(&world.a.admin_at_hub.access).await;
    assert_eq!((&admin["aud"], &admin["roles"]), (&json!("hub"), &json!(["super_admin"])));
    let inactive = json!({ "active": false });
    for other in ["", "x", &person.refresh, &world.a.domain_key, &world.a.temp.0, &world.a.introspection_key]
    {
        assert_eq!(state(other).await, inactive, "{other:?}");
    }
    let damaged = conformance::caller::damaged(&person.access);
    assert_eq!(state(&damaged).await, inactive);
    // To a tenant's key nothing is told, and no tenant's key becomes one that is.
    for key in [&world.a.domain_key, &world.a.hub_key] {
        let asked = form("/auth/introspect", &format!("token={}", person.access)).bearer(key);
        let refused = world.chatbot(asked).await;
        assert!(matches!(refused.status, 401 | 403) && !refused.body.contains("active"), "{}", refused.body);
    }
    let order = json!({ "name": "x", "permissions": ["introspect"] }).to_string();
    let made = Request::post("/auth/api/v1/keys", &order).bearer(&world.a.owner.access);
    assert_eq!(world.chatbot(made).await.field("field"), "permissions");

    // What is no token, or none any more, is revoked as well as any.
    let revoke = async |token: &str| world.chatbot(form("/auth/revoke", &format!("token={token}"))).await;
    let before = world.dump().await;
    for none in ["", "x", &damaged, &world.a.domain_key, &world.a.temp.0] {
        let answer = revoke(none).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "{none:?}");
    }
    assert_eq!(conformance::place::changes(&before, &world.dump().await), [""; 0]);
    // The refresh token before the good one ends the session, too; one from before that is anybody's by now.
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token }).to_string();
        world.chatbot(Request::post("/auth/refresh", &body)).await
    };
    let second = refresh(&person.refresh).await.field("refresh_token");
    let third = refresh(&second).await.field("refresh_token");
    assert_eq!(revoke(&person.refresh).await.status, 200);
    assert_eq!(state(&person.access).await["active"], true);
    assert_eq!(revoke(&second).await.status, 200);
    assert_eq!(state(&person.access).await, inactive);
    assert_eq!(refresh(&third).await.status, 401);
    assert_eq!(revoke(&third).await.status, 200, "again is no error");
    // A second before the end of a token, and at it.
    let person = world.log_in(&world.a).await;
    world.advance(LIFE - Duration::from_secs(1)).await;
    assert_eq!(state(&person.access).await["active"], true);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(state(&person.access).await, inactive);
    world.end().await;
}

/// An issuer that says what it is told to.
struct Told {
    key: SigningKey,
    keys: Mutex<Answer<Vec<String>>>,
    state: Mutex<Answer<Value>>,
    asked: [AtomicUsize; 2],
}

impl Told {
    fn counts(&self) -> (usize, usize) {
        let [keys, states] = &self.asked;
        (keys.load(Ordering::SeqCst), states.load(Ordering::SeqCst))
    }
    fn says(&self, state: Answer<Value>) {
        *self.state.lock().unwrap() = state;
    }
}

#[async_trait]
impl TokenIssuer for Told {
    async fn keys(&self) -> Answer<Vec<PublicKey>> {
        self.asked[0].fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone()?;
        let set = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        Ok(JwkSet::parse(set.as_bytes()).unwrap().into_keys())
    }
    async fn state(&self, _: &str) -> Answer<TokenState> {
        self.asked[1].fetch_add(1, Ordering::SeqCst);
        let state = self.state.lock().unwrap().clone()?;
        Ok(serde_json::from_value(state).unwrap())
    }
}

/// A Hub that relies on such an issuer, and a token that it says to be good.
struct Relying {
    platform: Platform,
    clock: StepClock,
    issuer: Arc<Told>,
    token: String,
    state: Value,
    _place: Place,
}

fn down() -> StoreError {
    StoreError::Unavailable("down".to_owned())
}

fn claims(now: Timestamp, number: u64) -> Claims {
    let entropy = SeededEntropy::new(number);
    Claims {
        id: AccessTokenId::draw(now, &entropy),
        person: PersonId::draw(now, &entropy),
        session: SessionId::draw(now, &entropy),
        audience: Service::Hub,
        issued_at: now,
        expires_at: now + LIFE,
        role: Some(Role::SuperAdmin),
        domain: None,
        amr: Amr::of([Method::Password, Method::OneTimePassword]),
        auth_time: now,
    }
}

impl Relying {
    async fn start() -> Self {
        let place = Place::fresh().await;
        let (clock, entropy) = (StepClock::default(), SeededEntropy::new(7));
        let key = SigningKey::generate(Algorithm::EdDsa, &entropy).unwrap();
        let said = claims(clock.now(), 1);
        let token = Issuer::parse(ISSUER).unwrap().issue(&key, &said).unwrap().expose().to_owned();
        let state = serde_json::to_value(TokenState::active(ISSUER, &said)).unwrap();
        let issuer = Arc::new(Told {
            keys: Mutex::new(Ok(vec![key.public().to_jwk()])),
            key,
            state: Mutex::new(Ok(state.clone())),
            asked: Default::default(),
        });
        let relying = RelyingParty::new(Issuer::parse(ISSUER).unwrap(), Arc::clone(&issuer) as _);
        let stores = place.open().await;
        let (clocks, entropy) = (Arc::new(clock.clone()), Arc::new(entropy));
        let platform = Platform::relying(Service::Hub, stores, clocks, entropy, Arc::new(relying));
        Self { platform, clock, issuer, token, state, _place: place }
    }

    async fn judge(&self, token: &str) -> Result<Principal, FlowError> {
        let validator = &self.platform.validator;
        validator.authenticate(token.as_bytes(), None, validator.reading()).await
    }
}

fn refused(cause: Refusal) -> Result<Principal, FlowError> {
    Err(Denial::Unauthenticated(cause).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_issuer_says_is_believed_for_a_lease_and_no_longer() {
    let hub = Relying::start().await;
    hub.platform.validator.renew().await.unwrap();
    for _ in 0..3 {
        let Ok(Principal::Person(person)) = hub.judge(&hub.token).await else { panic!("refused") };
        assert_eq!((person.role, person.audience), (Some(Role::SuperAdmin), Service::Hub));
    }
    assert_eq!(hub.issuer.counts(), (1, 1), "once for the keys, once for the token");
    // As old as a lease, under a lease that lives on: it is asked again, and believed in what it says then.
    hub.clock.advance(LEASE - Duration::from_millis(1));
    hub.platform.validator.renew().await.unwrap();
    assert!(hub.judge(&hub.token).await.is_ok());
    assert_eq!(hub.issuer.counts(), (1, 1));
    hub.issuer.says(Ok(json!({ "active": false })));
    hub.clock.advance(Duration::from_millis(1));
    assert_eq!(hub.judge(&hub.token).await, refused(Refusal::Revoked));
    // And without one, it is asked each time.
    hub.issuer.says(Ok(hub.state.clone()));
    hub.clock.advance(LEASE);
    for _ in 0..3 {
        assert!(hub.judge(&hub.token).await.is_ok());
    }
    assert_eq!(hub.issuer.counts(), (1, 5));
    hub.issuer.says(Err(down()));
    assert_eq!(
        hub.judge(&hub.token).await,
        Err(down().into()),
        "who cannot be asked has not said that it is good"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_says_something_else_than_its_token_is_not_believed() {
    let hub = Relying::start().await;
    assert!(hub.judge(&hub.token).await.is_ok());
    let other = claims(hub.clock.now(), 2);
    for (member, value) in [
        ("iss", json!("https://evil.example")),
        ("sub", json!(other.person.to_string())),
        ("sid", json!(other.session.to_string())),
        ("jti", json!(other.id.to_string())),
        ("aud", json!("chatbot")),
        ("exp", json!(u32::MAX)),
        ("iat", json!(1)),
        ("client_id", json!("other")),
        ("token_type", json!("mac")),
        ("roles", json!(["domain_owner"])),
        ("domain", json!("a.example")),
        ("acr", json!("pwd")),
        ("amr", json!(["pwd"])),
        ("auth_time", json!(u32::MAX)),
    ] {
        let mut state = hub.state.clone();
        state[member] = value;
        hub.issuer.says(Ok(state));
        assert_eq!(hub.judge(&hub.token).await, refused(Refusal::Unknown), "{member}");
    }
    for member in ["iss", "sub", "aud", "exp", "jti", "sid", "acr", "auth_time"] {
        let mut state = hub.state.clone();
        state.as_object_mut().unwrap().remove(member);
        hub.issuer.says(Ok(state));
        assert_eq!(hub.judge(&hub.token).await, refused(Refusal::Unknown), "without {member}");
    }
    hub.issuer.says(Ok(json!({ "active": true })));
    assert_eq!(hub.judge(&hub.token).await, refused(Refusal::Unknown));
    // An earlier end is what the issuer may know.
    let mut state = hub.state.clone();
    let sooner = hub.clock.now() + Duration::from_secs(5);
    state["exp"] = json!(sooner.millis() / 1000);
    hub.issuer.says(Ok(state));
    let Ok(Principal::Person(person)) = hub.judge(&hub.token).await else { panic!("refused") };
    assert_eq!(person.expires_at.millis() / 1000, sooner.millis() / 1000);
    hub.clock.advance(Duration::from_secs(5));
    assert_eq!(hub.judge(&hub.token).await, refused(Refusal::Expired));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_unknown_keys_have_the_issuer_asked_now_and_then() {
    let hub = Relying::start().await;
    let forger = SigningKey::generate(Algorithm::EdDsa, &SeededEntropy::new(9)).unwrap();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let forged =
        |number| issuer.issue(&forger, &claims(hub.clock.now(), number)).unwrap().expose().to_owned();
    let all = (0..200).map(&forged);
    for answer in futures_util::future::join_all(all.map(|token| async { hub.judge(&{ token }).await })).await
    {
        assert_eq!(answer, refused(Refusal::Unknown));
    }
    assert_eq!(hub.issuer.counts(), (1, 0), "and none of them was asked for");
    // A new key is heard of, once the time has come.
    *hub.issuer.keys.lock().unwrap() = Ok(vec![hub.issuer.key.public().to_jwk(), forger.public().to_jwk()]);
    let token = forged(1000);
    hub.issuer
        .says(Ok(serde_json::to_value(TokenState::active(ISSUER, &claims(hub.clock.now(), 1000))).unwrap()));
    hub.clock.advance(AGAIN_AFTER - Duration::from_millis(1));
    assert_eq!(hub.judge(&token).await, refused(Refusal::Unknown));
    hub.clock.advance(Duration::from_millis(1));
    assert!(hub.judge(&token).await.is_ok());
    assert_eq!(hub.issuer.counts(), (2, 1));
    // Where the keys cannot be had, nobody says that a token is none.
    let other = SigningKey::generate(Algorithm::EdDsa, &SeededEntropy::new(10)).unwrap();
    let unheard = issuer.issue(&other, &claims(hub.clock.now(), 1)).unwrap().expose().to_owned();
    *hub.issuer.keys.lock().unwrap() = Err(down());
    hub.clock.advance(AGAIN_AFTER);
    assert_eq!(hub.judge(&unheard).await, Err(down().into()));
    assert!(hub.judge(&token).await.is_ok(), "those that are known are known");
}

/// Answers every request with these bytes; an empty answer never comes.
async fn serving(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut some = [0; 4096];
                let _ = stream.read(&mut some).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
                // The other side may have heard enough.
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    url
}

/// The chatbot service is slow, is another one, or answers what no issuer does.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_as_one_has_said_nothing() {
    let http = |status: &str, head: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let (long, elsewhere) = ("x".repeat(70_000), serving(http("200 OK", "", r#"{"active":true}"#)).await);
    for (what, answer) in [
        ("slow", String::new()),
        ("cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned()),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        ("a page", http("200 OK", "", "<html>")),
        ("too long", http("200 OK", "", &long)),
        ("another form", http("200 OK", "", r#"{"active":"true"}"#)),
        ("a list", http("200 OK", "", "[]")),
        ("an error", http("500 Internal Server Error", "", r#"{"active":true}"#)),
        ("the key is none", http("401 Unauthorized", "", r#"{"active":true}"#)),
        ("elsewhere", http("307 Temporary Redirect", &format!("Location: {elsewhere}\r\n"), "")),
    ] {
        let issuer = Chatbot::new(&serving(answer).await, "key".to_owned()).unwrap();
        let (state, keys) = (issuer.state("token").await, issuer.keys().await);
        assert!(matches!(state, Err(StoreError::Unavailable(_))), "{what}: {state:?}");
        assert!(matches!(keys, Err(StoreError::Unavailable(_))), "{what}: {keys:?}");
    }
    let refused = "http://127.0.0.1:1";
    let down = Chatbot::new(refused, "key".to_owned()).unwrap().state("token").await;
    assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    // A key that says more than a public one does is none, and the set with it.
    let set = r#"{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256","kid":"a","use":"sig"}]}"#;
    let issuer = Chatbot::new(&serving(http("200 OK", "", set)).await, "key".to_owned()).unwrap();
    assert!(issuer.keys().await.is_err());
}
