//! Passkeys on the login page: what its script is told to ask for, and what becomes of the answer. In a browser, see
//! `browser.rs`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{policy::Role, service::Service};
use chatbot_service::responder::Responder;
use conformance::{
    authenticator::{Pair, Passkey},
    client::{Request, Response},
    faults::Faults,
    visitor::Visitor,
    world::{Person, World},
};
use serde_json::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn location(answer: &Response) -> (u16, Option<&str>) {
    (answer.status, answer.header("location"))
}

/// What the page asks a browser for, if for anything.
fn asked(page: &Response, ceremony: &str) -> Option<Value> {
    let form = format!("data-ceremony=\"{ceremony}\" data-options=\"");
    let (_, rest) = page.body.split_once(&form)?;
    let options = rest.split('"').next()?.replace("&quot;", "\"").replace("&amp;", "&");
    assert!(page.body.contains("<script>"), "nobody asks: {}", page.body);
    Some(serde_json::from_str(&options).unwrap())
}

fn challenge(page: &Response, ceremony: &str) -> String {
    let options = asked(page, ceremony).unwrap_or_else(|| panic!("{}", page.body));
    options["challenge"].as_str().unwrap().to_owned()
}

async fn a_member(world: &World) -> Person {
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    world.person("frank", "a", tenant, Role::Member).await
}

/// A passkey that is set up at a page which is logged in.
async fn set_up(page: &mut Visitor<'_>, person: &Person) -> Passkey {
    let passkey = Passkey::new(&person.id, Pair::ec());
    let challenge = challenge(&page.post("/account/passkeys", "").await, "create");
    let fields = format!("name=A laptop&credential={}", passkey.made(&challenge).registration());
    let answer = page.post("/account/passkeys/confirm", &fields).await;
    assert_eq!(location(&answer), (303, Some("/account")), "{}", answer.body);
    passkey
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_set_up_shown_and_removed_at_the_page() {
    let world = World::start().await;
    let person = a_member(&world).await;
    let mut page = Visitor::new(&world);
    page.log_in(&person, None).await;
    let before = page.session().unwrap();
    let passkey = set_up(&mut page, &person).await;
    assert_ne!(page.session().unwrap(), before, "another session");
    assert_eq!(Visitor::within(&world, &before).get("/account").await.status, 401);
    let me = Request::get("/auth/me").bearer(&person.access);
    assert_eq!(world.chatbot(me).await.status, 401, "all sessions from before have ended");
    let account = page.get("/account").await;
    for part in ["A laptop", "Recovery codes that are left: 0.", "Set up an authenticator", "never"] {
        assert!(account.body.contains(part), "{part} in {}", account.body);
    }
    let drawn = page.post("/account/recovery-codes", "").await;
    assert_eq!(drawn.body.matches("<li><code>").count(), 10, "a passkey is a factor by itself");

    // The next login asks for it, on behalf of that login alone.
    let mut other = Visitor::new(&world);
    assert_eq!(location(&other.log_in(&person, None).await), (303, Some("/login/factor")));
    let form = other.get("/login/factor").await;
    let options = asked(&form, "get").unwrap();
    assert_eq!(
        (&options["rpId"], &options["userVerification"]),
        (&"chat.example.com".into(), &"required".into())
    );
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    let mut third = Visitor::new(&world);
    third.log_in(&person, None).await;
    let shown = passkey.show(&challenge(&form, "get"));
    let foreign = third.post("/login/factor", &format!("webauthn={shown}")).await;
    assert!(foreign.status == 401 && third.session().is_none(), "{}", foreign.body);
    assert!(foreign.body.contains("<a href=\"/login/factor\">Use a passkey</a>"), "{}", foreign.body);
    world.advance(MINUTE).await;
    let shown = passkey.show(&challenge(&other.get("/login/factor").await, "get"));
    let fields = format!("webauthn={shown}&code=&recovery_code=");
    let right = other.post("/login/factor", &fields).await;
    assert_eq!(location(&right), (303, Some("/account")), "{}", right.body);
    let again = other.post("/login/factor", &fields).await;
    assert_eq!(again.status, 401, "a challenge is answered once");
    assert!(!other.get("/account").await.body.contains("never"), "it says when it was shown");

    // Anew, when it was too long ago.
    world.advance(16 * MINUTE).await;
    let account = other.get("/account").await;
    let (_, rest) = account.body.split_once("/account/passkeys/").unwrap();
    let remove = format!("/account/passkeys/{}/remove", &rest[..36]);
    let stale = other.post(&remove, "").await;
    assert!(stale.status == 401 && stale.body.contains("<a href=\"/account/proof\">"), "{}", stale.body);
    let form = other.get("/account/proof").await;
    let (shown, before) = (passkey.show(&challenge(&form, "get")), other.session().unwrap());
    let mut elsewhere = Visitor::within(&world, &page.session().unwrap());
    let foreign = elsewhere.post("/account/proof", &format!("webauthn={shown}")).await;
    assert_eq!(foreign.status, 400, "another session's challenge: {}", foreign.body);
    let shown = passkey.show(&challenge(&other.get("/account/proof").await, "get"));
    let proved = other.post("/account/proof", &format!("webauthn={shown}")).await;
    assert_eq!(location(&proved), (303, Some("/account")), "{}", proved.body);
    assert_ne!(other.session().unwrap(), before);
    assert_eq!(location(&other.post(&remove, "").await), (303, Some("/login")));
    assert_eq!((other.session(), page.get("/account").await.status), (None, 401), "all sessions end");
    assert_eq!(
        location(&other.log_in(&person, None).await),
        (303, Some("/account")),
        "by the password alone"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_of_an_authenticator_sets_nothing_up() {
    let world = World::start().await;
    let person = a_member(&world).await;
    let mut page = Visitor::new(&world);
    page.log_in(&person, None).await;
    let passkey = Passkey::new(&person.id, Pair::ec());
    let own = challenge(&page.post("/account/passkeys", "").await, "create");
    let mut other = Visitor::new(&world);
    other.log_in(&person, None).await;
    let foreign = challenge(&other.post("/account/passkeys", "").await, "create");
    let made = |challenge: &str| passkey.made(challenge).registration().to_string();
    for credential in
        ["", "{}", "null", "x", "[]", &made(&foreign), &made("AAAA"), &passkey.show(&own).to_string()]
    {
        let fields = format!("name=A laptop&credential={credential}");
        let answer = page.post("/account/passkeys/confirm", &fields).await;
        assert_eq!(answer.status, 400, "{credential}: {}", answer.body);
        let again = "action=\"/account/passkeys\"";
        assert!(answer.body.contains(again) && asked(&answer, "create").is_none(), "{}", answer.body);
    }
    assert!(page.get("/account").await.body.contains("None is set up."));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_second_factor_tells_nobody_who_has_a_passkey() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let person = a_member(&world).await;
    let mut page = Visitor::new(&world);
    page.log_in(&person, None).await;
    set_up(&mut page, &person).await;
    page.post("/logout", "").await;
    let plain = Visitor::new(&world).get("/login/factor").await;
    assert_eq!((plain.status, asked(&plain, "get")), (200, None));
    page.log_in(&person, None).await;
    assert!(asked(&page.get("/login/factor").await, "get").is_some());

    // Whoever asks has a challenge kept, which fails from now on.
    faults.fail(&["keep"]);
    // To whoever has not shown the password, all pages are one.
    for waiting in ["x", "avm_AAAA", world.a.strong.access.as_str()] {
        let request = Request::get("/login/factor").header("Cookie", &format!("__Host-login={waiting}"));
        assert_eq!(world.chatbot(request).await.body, plain.body, "{waiting}");
    }
    // Nor does somebody's who has an authenticator alone ask for anything.
    let mut owner = Visitor::new(&world);
    assert_eq!(location(&owner.log_in(&world.a.owner, None).await), (303, Some("/login/factor")));
    assert_eq!(owner.get("/login/factor").await.body, plain.body);
    assert_eq!(faults.failed().len(), 0, "nothing was to be kept");
    assert_eq!(page.get("/login/factor").await.body, plain.body);
    assert_eq!(faults.failed().len(), 1, "but where it asked");
    // A login that has waited too long, or whose person is not who they were.
    let mut waits = Visitor::new(&world);
    world.advance(6 * MINUTE).await;
    waits.log_in(&person, None).await;
    let bump = format!("UPDATE people SET version = version + 1 WHERE address = '{}'", person.email);
    world.place.execute(&bump).await;
    for visitor in [&mut page, &mut waits] {
        assert_eq!(visitor.get("/login/factor").await.body, plain.body);
    }
    assert_eq!(faults.failed().len(), 1);
    world.end().await;
}

/// Where no passkey can be asked for, all other factors can be shown.
#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_code_is_there_whatever_becomes_of_passkeys() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let mut page = Visitor::new(&world);
    assert_eq!(location(&page.log_in(&world.a.strong, None).await), (303, Some("/login/factor")));
    let mut inside = Visitor::within(&world, &world.a.strong.page);
    let answers = async |page: &mut Visitor<'_>, inside: &mut Visitor<'_>| {
        [page.get("/login/factor").await, inside.get("/account/proof").await]
    };
    for answer in answers(&mut page, &mut inside).await {
        assert!(answer.status == 200 && asked(&answer, "get").is_some(), "{}", answer.body);
    }
    faults.fail(&["keep"]);
    for answer in answers(&mut page, &mut inside).await {
        assert!(answer.status == 200 && asked(&answer, "get").is_none(), "{}", answer.body);
        assert!(answer.body.contains("name=\"code\"") && answer.body.contains("name=\"recovery_code\""));
    }
    faults.recover();
    // Nor by a passkey that no key opens.
    world.place.execute("UPDATE passkeys SET sealed = digest").await;
    for answer in answers(&mut page, &mut inside).await {
        assert!(answer.status == 200 && asked(&answer, "get").is_none(), "{}", answer.body);
    }
    world.end().await;
}

/// A login that says it is for the Hub begins no session of a page, and uses nothing up.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_another_service_is_none_at_the_page() {
    let world = World::start().await;
    let admin = &world.a.admin;
    let codes = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&admin.access);
    let codes = world.chatbot(codes).await.json();
    let code = codes["recovery_codes"][0].as_str().unwrap();
    let pending = async |audience: &str| {
        let body =
            serde_json::json!({ "email": admin.email, "password": admin.password, "audience": audience });
        world.chatbot(Request::post("/auth/login", &body.to_string())).await.field("mfa_token")
    };
    for (audience, expected) in [("hub", 401), ("chatbot", 303)] {
        let own = format!("http://{}", world.chatbot);
        let request = conformance::caller::form("/login/factor", &format!("recovery_code={code}"))
            .header("Origin", &own)
            .header("Cookie", &format!("__Host-login={}", pending(audience).await));
        let answer = world.chatbot(request).await;
        assert_eq!(answer.status, expected, "{audience}: {}", answer.body);
    }
    world.end().await;
}
