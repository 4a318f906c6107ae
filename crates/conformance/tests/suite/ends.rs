//! Every kind of credential one second before its end, at it, and one second after, over HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::{MailedFor, PAGE_LIFE, PENDING},
    jwt::LIFE,
    model::{SESSION_IDLE, SESSION_LIFE},
    policy::Permissions,
    principal::FRESH,
    service::Service,
    time::Clock as _,
    webauthn::CHALLENGE_LIFE,
};
use conformance::{
    client::Request,
    earlier::TAKEN,
    world::{Person, World},
};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A kind of credential that ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    HubKey,
    DomainKey,
    /// The secret that a key had before it was rotated, in its overlap.
    FormerSecret,
    IntrospectionKey,
    Temp,
    Chat,
    Widget,
    Access,
    AccessAtHub,
    /// A refresh token that nobody uses.
    IdleRefresh,
    /// The last refresh token of a session that is used all the time.
    LastRefresh,
    Page,
    Pending,
    RegistrationChallenge,
    LoginChallenge,
    StepUpChallenge,
    /// That a second factor was shown just now.
    Proof,
    Verification,
    Reset,
    Earlier,
    /// A token of the earlier system that would be good for longer than those are taken.
    LastEarlier,
}

/// Each kind, and how long it is good.
const KINDS: [(Kind, Duration); 21] = [
    (Kind::HubKey, HOUR),
    (Kind::DomainKey, HOUR),
    (Kind::FormerSecret, HOUR),
    (Kind::IntrospectionKey, HOUR),
    (Kind::Temp, HOUR),
    (Kind::Chat, HOUR),
    (Kind::Widget, HOUR),
    (Kind::Access, LIFE),
    (Kind::AccessAtHub, LIFE),
    (Kind::IdleRefresh, SESSION_IDLE),
    (Kind::LastRefresh, SESSION_LIFE),
    (Kind::Page, PAGE_LIFE),
    (Kind::Pending, PENDING),
    (Kind::RegistrationChallenge, CHALLENGE_LIFE),
    (Kind::LoginChallenge, PENDING),
    (Kind::StepUpChallenge, CHALLENGE_LIFE),
    (Kind::Proof, FRESH),
    (Kind::Verification, MailedFor::Verification.life()),
    (Kind::Reset, MailedFor::Reset.life()),
    (Kind::Earlier, HOUR),
    (Kind::LastEarlier, HOUR),
];

impl Kind {
    /// Whether showing it uses it up.
    const fn is_good_once(self) -> bool {
        matches!(
            self,
            Self::IdleRefresh
                | Self::LastRefresh
                | Self::Pending
                | Self::RegistrationChallenge
                | Self::LoginChallenge
                | Self::StepUpChallenge
                | Self::Verification
                | Self::Reset
        )
    }

    /// A credential of this kind that is good from now on, and what shows it.
    async fn make(self, world: &World, life: Duration) -> Made {
        let a = &world.a;
        let chatbot =
            |request| Made { service: Service::Chatbot, request, refused: 401, ahead: Duration::ZERO };
        let hub = |request| Made { service: Service::Hub, ..chatbot(request) };
        let post = |path: &str, body: serde_json::Value| Request::post(path, &body.to_string());
        let end = Some(world.clock.now() + life);
        let calls = |key: &str| Request::get("/calls").bearer(key);
        match self {
            Self::HubKey => {
                let tenant = world.tenant_of(a, Service::Hub).await;
                let all = Permissions::all_of(Service::Hub);
                hub(calls(&world.key(Service::Hub, tenant, all, end).await.0))
            }
            Self::DomainKey => {
                let tenant = world.tenant_of(a, Service::Chatbot).await;
                let key =
                    world.key(Service::Chatbot, tenant, Permissions::all_of(Service::Chatbot), end).await;
                chatbot(Request::get("/auth/api/v1/tokens").bearer(&key.0))
            }
            Self::FormerSecret => {
                let tenant = world.tenant_of(a, Service::Hub).await;
                let (key, id) =
                    world.key(Service::Hub, tenant, Permissions::all_of(Service::Hub), None).await;
                let overlap = json!({ "overlap_seconds": life.as_secs() });
                let rotated = post(&format!("/api-keys/{id}/rotate"), overlap).bearer(&a.hub_key);
                assert_eq!(world.hub(rotated).await.status, 200);
                hub(calls(&key))
            }
            Self::IntrospectionKey => {
                let all = Permissions::of_platform(Service::Chatbot);
                let tenant = auth_core::principal::Tenant::PLATFORM;
                let key = world.key(Service::Chatbot, tenant, all, end).await;
                let asked =
                    conformance::caller::form("/auth/introspect", &format!("token={}", a.person.access));
                chatbot(asked.bearer(&key.0))
            }
            Self::Temp => {
                let temp = minted(world).await;
                chatbot(post("/query/", json!({ "question": "When are you open?" })).bearer(&temp))
            }
            Self::Chat => {
                let temp = minted(world).await;
                let opened = world.chatbot(Request::get(&format!("/autoconnect?token={temp}"))).await;
                let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
                chatbot(Request::get("/chat").header("Cookie", &cookie))
            }
            Self::Widget => {
                let open = json!({ "tenant": a.domain, "origin": a.origin });
                let opened = world.chatbot(post("/v1/widget/session", open)).await;
                let say = json!({ "session_id": opened.field("session_id"), "text": "Hello" });
                chatbot(post("/v1/widget/message", say).bearer(&opened.field("token")))
            }
            Self::Access => chatbot(me(&world.log_in(a).await.access)),
            Self::AccessAtHub => {
                let admin = world.at_hub(&world.log_in_strongly(&a.admin).await).await;
                hub(Request::get("/accounts").bearer(&admin.access))
            }
            Self::IdleRefresh => chatbot(refresh(&world.log_in(a).await.refresh)),
            Self::LastRefresh => {
                let mut token = world.log_in(a).await.refresh;
                let mut ahead = Duration::ZERO;
                while life - ahead > SESSION_IDLE {
                    world.advance(SESSION_IDLE - SECOND).await;
                    ahead += SESSION_IDLE - SECOND;
                    token = world.chatbot(refresh(&token)).await.field("refresh_token");
                }
                Made { ahead, ..chatbot(refresh(&token)) }
            }
            Self::Page => {
                let page = world.log_in(a).await.page;
                chatbot(Request::get("/account").header("Cookie", &format!("__Host-session={page}")))
            }
            Self::Pending => {
                let waits = world.pending(&a.strong).await.pending;
                let code = recovery_code(world, &world.a.strong).await;
                chatbot(post("/auth/mfa/verify", json!({ "mfa_token": waits, "recovery_code": code })))
            }
            Self::RegistrationChallenge => {
                let person = world.registering(world.log_in(a).await).await;
                let made: serde_json::Value = serde_json::from_str(&person.registration).unwrap();
                let body = json!({ "name": "A telephone", "credential": made });
                let finish = post("/auth/mfa/webauthn/register/finish", body).bearer(&person.access);
                Made { refused: 400, ..chatbot(finish) }
            }
            Self::LoginChallenge => {
                let waits = world.pending(&a.strong).await.pending;
                let asked = post("/auth/mfa/webauthn/challenge", json!({ "mfa_token": waits }));
                let challenge = world.chatbot(asked).await.field("challenge");
                let shown = a.strong.passkey.as_ref().unwrap().0.show(&challenge);
                chatbot(post("/auth/mfa/verify", json!({ "mfa_token": waits, "webauthn": shown })))
            }
            Self::StepUpChallenge => {
                let asked = Request::new("POST", "/auth/mfa/webauthn/step-up/challenge");
                let challenge = world.chatbot(asked.bearer(&a.strong.access)).await.field("challenge");
                let shown = a.strong.passkey.as_ref().unwrap().0.show(&challenge);
                let step_up = post("/auth/mfa/step-up", json!({ "webauthn": shown }));
                Made { refused: 400, ..chatbot(step_up.bearer(&a.strong.access)) }
            }
            Self::Proof => {
                // Refreshed meanwhile: the proof ends before its session, and after an access token.
                let person = world.log_in_strongly(&a.strong).await;
                let half = LIFE / 2;
                world.advance(half).await;
                let answer = world.chatbot(refresh(&person.refresh)).await;
                world.advance(half).await;
                let answer = world.chatbot(refresh(&answer.field("refresh_token"))).await;
                let access = answer.field("access_token");
                let drawn = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&access);
                Made { ahead: half * 2, ..chatbot(drawn) }
            }
            Self::Verification => {
                let token = world.mailed(a.person.clone()).await.verification;
                chatbot(post("/auth/email/verify", json!({ "token": token })))
            }
            Self::Reset => {
                let token = world.mailed(a.person.clone()).await.reset;
                let body = json!({ "token": token, "password": "quietly violet tapirs" });
                chatbot(post("/auth/password/reset", body))
            }
            Self::Earlier | Self::LastEarlier => {
                let tenant = world.tenant_of(a, Service::Chatbot).await;
                let role = auth_core::policy::Role::Member;
                let person = world.taken_over("gail@a.example", tenant, role).await;
                if self == Self::LastEarlier {
                    world.advance(TAKEN - life).await;
                    return chatbot(me(&world.earlier_token(&person, life * 2)));
                }
                // It ends at a whole second.
                let part = world.clock.now().millis() % 1000;
                world.advance(Duration::from_millis(u64::try_from(1000 - part).unwrap() % 1000)).await;
                chatbot(me(&world.earlier_token(&person, life)))
            }
        }
    }
}

/// What shows a credential, once it was made.
struct Made {
    service: Service,
    request: Request,
    /// What it is answered when it is over.
    refused: u16,
    /// How much of its time has passed already.
    ahead: Duration,
}

fn me(access: &str) -> Request {
    Request::get("/auth/me").bearer(access)
}

fn refresh(token: &str) -> Request {
    Request::post("/auth/refresh", &json!({ "refresh_token": token }).to_string())
}

async fn minted(world: &World) -> String {
    let body = r#"{"username":"alice","expires_in_hours":1}"#;
    let minted = Request::post("/auth/api/v1/tokens/generate", body).bearer(&world.a.domain_key);
    world.chatbot(minted).await.field("token")
}

async fn recovery_code(world: &World, person: &Person) -> String {
    let codes = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&person.access);
    let codes = world.chatbot(codes).await.json();
    codes["recovery_codes"][0].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_credential_is_good_until_its_end_and_not_at_it() {
    let mut wrong = Vec::new();
    for (kind, life) in KINDS {
        let ends = [(life - SECOND, true), (life, false), (life + SECOND, false)];
        for ((passed, expected), before) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
            if before && kind.is_good_once() {
                continue;
            }
            let world = World::start().await;
            let made = kind.make(&world, life).await;
            let send = async || made.request.send(world.address(made.service)).await.unwrap();
            if before {
                // So that memory answers later.
                assert!(send().await.status < 300, "{kind:?} is no good at first");
            }
            world.advance(passed - made.ahead).await;
            let answer = send().await;
            let good = answer.status < 300;
            if good != expected || !(good || answer.status == made.refused) {
                wrong.push(format!("{kind:?} after {passed:?}, {before}: {} {}", answer.status, answer.body));
            }
            world.end().await;
        }
    }
    assert_eq!(wrong, [""; 0]);
}
