//! Tokens of the earlier system: whom they are taken for, and what ends them.

use auth_core::{
    flow::{set_account_status, set_domain_status},
    model::{DomainName, Status},
    policy::{Role, Rule},
    principal::Tenant,
    service::Service,
    time::Clock as _,
};
use auth_web::{Place, Service as _};
use chatbot_service::Chatbot;
use conformance::{
    caller::{form, request},
    client::{Request, Response},
    earlier::{SECRET, sign},
    mailbox::token,
    operator::operator,
    world::{Person, World},
};
use futures_util::future::join_all;
use hub_service::Hub;
use serde_json::json;
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(1800);

async fn me(world: &World, token: &str) -> Response {
    world.chatbot(Request::get("/auth/me").bearer(token)).await
}

async fn send(world: &World, method: &str, path: &str, body: &str, token: &str) -> u16 {
    let request = Request::new(method, path).bearer(token);
    let request = if body.is_empty() { request } else { request.json(body) };
    world.chatbot(request).await.status
}

async fn tenant(world: &World) -> Tenant {
    world.tenant_of(&world.a, Service::Chatbot).await
}

async fn member(world: &World, email: &str) -> Person {
    world.taken_over(email, tenant(world).await, Role::Member).await
}

/// How often a person was noted to have logged in.
async fn logins(world: &World, person: &Person) -> usize {
    let rows = world.dump().await;
    rows.iter().filter(|row| row.contains("person.logged_in") && row.contains(&person.id)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_a_session_of_whom_it_names() {
    let world = World::start().await;
    let alice = member(&world, "alice@earlier.example").await;
    let token = world.earlier_token(&alice, LIFE);
    let first = me(&world, &token).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!((first.field("id"), first.field("email")), (alice.id.clone(), alice.email.clone()));
    assert_eq!((first.field("role"), first.field("acr")), ("member".to_owned(), "pwd".to_owned()));
    // Once more, and by another token of hers.
    assert_eq!(me(&world, &token).await.field("session_id"), first.field("session_id"));
    let other = world.earlier_token(&alice, LIFE * 2);
    assert_ne!(me(&world, &other).await.field("session_id"), first.field("session_id"));
    let sessions = world.chatbot(Request::get("/auth/sessions").bearer(&token)).await.json();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 2, "{sessions}");
    assert_eq!(logins(&world, &alice).await, 2);
    // It asks as she may, of her domain; and says nothing of when she showed her password.
    assert_eq!(send(&world, "POST", "/query/", r#"{"question":"What?"}"#, &token).await, 200);
    let enroll = world.chatbot(Request::new("POST", "/auth/mfa/totp/enroll").bearer(&token)).await;
    let challenge = enroll.header("www-authenticate").unwrap();
    assert!(enroll.status == 401 && challenge.contains("insufficient_user_authentication"), "{challenge}");
    // Another spelling may be somebody else in the earlier system.
    let exp = (world.clock.now() + LIFE).millis() / 1000;
    let spelled = sign(SECRET, &json!({ "sub": "Alice@earlier.example", "exp": exp }));
    assert_eq!(me(&world, &spelled).await.status, 401);
    // A domain that it names is one that she belongs to, or it is none.
    let named = |domain: &str| {
        let exp = (world.clock.now() + LIFE).millis() / 1000;
        sign(SECRET, &json!({ "sub": alice.email, "exp": exp, "domain": domain }))
    };
    assert_eq!(me(&world, &named(&world.a.domain)).await.field("role"), "member");
    assert_eq!(me(&world, &named(&world.b.domain)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_sights_one_begins_the_session() {
    let world = World::start().await;
    let alice = member(&world, "alice@earlier.example").await;
    let token = world.earlier_token(&alice, LIFE);
    let answers = join_all((0..200).map(|_| me(&world, &token))).await;
    let sessions: Vec<_> = answers.iter().map(|answer| answer.field("session_id")).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(sessions.iter().all(|session| *session == sessions[0]));
    assert_eq!(logins(&world, &alice).await, 1);
}

/// Whatever it says, and whoever signed it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_taken_for_anybody() {
    let world = World::start().await;
    let alice = member(&world, "alice@earlier.example").await;
    let super_admin = world.taken_over("bob@earlier.example", tenant(&world).await, Role::SuperAdmin).await;
    let exp = (world.clock.now() + LIFE).millis() / 1000;
    let other_secret =
        sign(b"another secret of another system, long enough", &json!({ "sub": alice.email, "exp": exp }));
    let with_role = sign(SECRET, &json!({ "sub": alice.email, "exp": exp, "role": "super_admin" }));
    let refresh = sign(SECRET, &json!({ "sub": alice.email, "exp": exp, "type": "refresh" }));
    let nobody = Person { email: "nobody@earlier.example".to_owned(), ..Person::default() };
    for (what, token) in [
        ("registered here", world.earlier_token(&world.a.person, LIFE)),
        ("an owner who registered here", world.earlier_token(&world.a.owner, LIFE)),
        ("a super admin", world.earlier_token(&super_admin, LIFE)),
        ("nobody", world.earlier_token(&nobody, LIFE)),
        ("another secret", other_secret),
        ("a role", with_role),
        ("a refresh token", refresh),
    ] {
        assert_eq!(me(&world, &token).await.status, 401, "{what}");
    }
    assert_eq!(logins(&world, &alice).await + logins(&world, &super_admin).await, 0);
    assert_eq!(me(&world, &world.earlier_token(&alice, LIFE)).await.status, 200);
}

/// Whatever ends a person's sessions ends these: those that were seen, and those that nobody has seen yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_the_sessions_of_a_person_ends_all_their_tokens() {
    let world = World::start().await;
    let admin = world.a.admin.access.clone();
    for end in ["logout-all", "password", "reset", "suspension", "removal", "login and factor"] {
        let email = format!("{}@earlier.example", end.replace(' ', "-"));
        let person = member(&world, &email).await;
        let (seen, unseen) = (world.earlier_token(&person, LIFE), world.earlier_token(&person, LIFE * 2));
        assert_eq!(me(&world, &seen).await.status, 200);
        let user = format!("/users/{}", person.id);
        let status = match end {
            "logout-all" => send(&world, "POST", "/auth/logout-all", "", &seen).await,
            "password" => {
                let body =
                    json!({ "current_password": person.password, "new_password": "quietly violet tapirs" });
                send(&world, "POST", "/auth/password/change", &body.to_string(), &seen).await
            }
            "reset" => {
                let forgot = json!({ "email": person.email }).to_string();
                assert_eq!(world.chatbot(Request::post("/auth/password/forgot", &forgot)).await.status, 202);
                let token = token(&world.mailbox.awaited(&person.email, 1).await);
                let body = json!({ "token": token, "password": "quietly violet tapirs" });
                let answer = world.chatbot(Request::post("/auth/password/reset", &body.to_string())).await;
                answer.status
            }
            "suspension" => send(&world, "PATCH", &user, r#"{"status":"suspended"}"#, &admin).await,
            "removal" => send(&world, "DELETE", &user, "", &admin).await,
            _ => {
                let body = json!({ "email": person.email, "password": person.password });
                let login = world.chatbot(Request::post("/auth/login", &body.to_string())).await;
                let access = login.field("access_token");
                let person = world.enrolling(Person { access, ..person.clone() }).await;
                let body = format!(r#"{{"code":"{}"}}"#, person.code);
                send(&world, "POST", "/auth/mfa/totp/confirm", &body, &person.access).await
            }
        };
        assert!(status < 300, "{end}: {status}");
        let kept = u16::from(end == "password") * 200;
        let expected = if kept == 200 { 200 } else { 401 };
        assert_eq!(me(&world, &seen).await.status, expected, "{end}: the one that asked stays, if it is one");
        assert_eq!(me(&world, &unseen).await.status, 401, "{end}");
        if end == "suspension" {
            assert_eq!(send(&world, "PATCH", &user, r#"{"status":"active"}"#, &admin).await, 200);
            assert_eq!((me(&world, &seen).await.status, me(&world, &unseen).await.status), (401, 401));
        }
    }
}

/// What ends one session ends one token, for good.
#[tokio::test(flavor = "multi_thread")]
async fn one_is_ended_as_any_session_is() {
    let world = World::start().await;
    let alice = member(&world, "alice@earlier.example").await;
    let tokens = [1, 2, 3].map(|times| world.earlier_token(&alice, LIFE * times));
    let session = me(&world, &tokens[1]).await.field("session_id");
    assert_eq!(send(&world, "POST", "/auth/logout", "", &tokens[0]).await, 204);
    assert_eq!(me(&world, &tokens[0]).await.status, 401);
    assert_eq!(send(&world, "DELETE", &format!("/auth/sessions/{session}"), "", &tokens[2]).await, 204);
    assert_eq!((me(&world, &tokens[1]).await.status, me(&world, &tokens[2]).await.status), (401, 200));

    // By whoever holds it (RFC 7009), also where nobody had seen it.
    for seen in [true, false] {
        let token = world.earlier_token(&alice, LIFE * 4 + LIFE * u32::from(seen));
        assert!(!seen || me(&world, &token).await.status == 200);
        let revoked = world.chatbot(form("/auth/revoke", &format!("token={token}"))).await;
        assert_eq!((revoked.status, me(&world, &token).await.status), (200, 401), "{seen}");
        let again = world.chatbot(form("/auth/revoke", &format!("token={token}"))).await;
        assert_eq!(again.status, 200, "{seen}");
    }

    // With the domain, and with the account; they are good again when these are.
    let platform = &world.operator_platform;
    for status in [Status::Suspended, Status::Active] {
        let domain = world.domain(&DomainName::parse(&world.a.domain).unwrap()).await;
        set_domain_status(platform, &operator(), &domain, status).await.unwrap();
        assert_eq!(me(&world, &tokens[2]).await.status == 200, status == Status::Active);
    }
    for status in [Status::Suspended, Status::Active] {
        let account = tenant(&world).await.account;
        let account = platform.stores.accounts.read(operator().scope(), account).await.unwrap().unwrap();
        set_account_status(platform, &operator(), &account, status).await.unwrap();
        assert_eq!(me(&world, &tokens[2]).await.status == 200, status == Status::Active);
    }
    // With the membership.
    let path = format!("/domains/{}/members/{}", world.a.domain, alice.id);
    assert_eq!(send(&world, "DELETE", &path, "", &world.a.owner.access).await, 204);
    assert_eq!(me(&world, &tokens[2]).await.status, 401);
}

/// A route takes one where it would take a login of its person, made long ago with a password, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_more_of_it_than_of_a_login() {
    let world = World::start().await;
    let needs =
        conformance::oracle::read(include_str!("../../../../conformance/oracle/chatbot.txt")).unwrap();
    for (number, row) in Chatbot::TABLE.rows().iter().enumerate() {
        // Some rows end what their caller has.
        let person = member(&world, &format!("p{number}@earlier.example")).await;
        let token = world.earlier_token(&person, LIFE);
        let answer = world.chatbot(request(row, &world.a, Some(&token))).await;
        let needs = &needs[row.spec.id].needs;
        let (code, status) = (answer.field("code"), answer.status);
        let good = match row.rule {
            Rule::Public { .. } => continue,
            // What stands in the cookie of a page is a page's, or nothing.
            _ if matches!(row.spec.place, Place::Page(_)) => status == 401,
            _ if needs.split('|').any(|need| need == "jwt" || need == "jwt+login") => {
                status != 401 && status != 403
            }
            _ if needs.starts_with("jwt+") => status == 401 && code == "insufficient_user_authentication",
            _ => status == 403 || status == 401,
        };
        assert!(good, "{}: {status} {}", row.spec.id, answer.body);
    }
    let alice = member(&world, "alice@earlier.example").await;
    for row in Hub::TABLE.rows() {
        let answer = world.hub(request(row, &world.a, Some(&world.earlier_token(&alice, LIFE)))).await;
        assert!(answer.status == 401 || matches!(row.rule, Rule::Public { .. }), "{}", row.spec.id);
    }
}
