//! No secret is seen again: not in an answer, a list, an audit event, or a row of the store. That none is logged or lies in a
//! file is tested with the program itself.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{credential::TotpSecret, secret::TokenDigest, service::Service, time::Clock as _};
use auth_web::{Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::{
    authenticator::{Pair, Passkey},
    caller::{Kind, form, from_afar, request},
    client::{Request, Response},
    hidden::Hidden,
    mailbox::token,
    world::{Holdings, Person, World},
};
use hub_service::Hub;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What a person holds that nobody may see again.
fn of_person(person: &Person) -> [&String; 8] {
    let Person { password, access, refresh, page, totp, pending, verification, reset, .. } = person;
    [password, access, refresh, page, totp, pending, verification, reset]
}

/// What the first tenant and its people hold that nobody may see again.
fn held(holdings: &Holdings) -> BTreeSet<String> {
    let Holdings { hub_key, domain_key, idle_key, idle_domain_key, temp, widget, chat, .. } = holdings;
    let Holdings { introspection_key, person, strong, owner, admin, admin_at_hub, .. } = holdings;
    let keys =
        [hub_key, domain_key, introspection_key, &idle_key.0, &idle_domain_key.0, &temp.0, &widget.0, chat];
    let people = [person, strong, owner, admin, admin_at_hub].into_iter().flat_map(of_person);
    keys.into_iter().chain(people.filter(|secret| !secret.is_empty())).cloned().collect()
}

/// One of each kind, to be sent where it does not belong.
fn misplaced(holdings: &Holdings) -> Vec<String> {
    let Holdings { hub_key, domain_key, idle_key, temp, widget, chat, person, strong, .. } = holdings;
    let keys = [hub_key, domain_key, &idle_key.0, &temp.0, &widget.0, chat];
    let Person { password, access, refresh, page, verification, reset, .. } = person;
    let of_people = [password, access, refresh, page, verification, reset, &strong.pending, &strong.totp];
    let secrets: Vec<_> = keys.into_iter().chain(of_people).cloned().collect();
    assert!(secrets.iter().all(|secret| secret.len() > 16), "{secrets:?}");
    secrets
}

/// The texts of digests, as a list or an event might write them.
fn digests(secrets: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let digests = secrets.iter().map(|secret| *TokenDigest::of(secret).as_bytes());
    digests.flat_map(|digest| {
        [data_encoding::HEXLOWER, data_encoding::BASE64].map(|as_text| as_text.encode(&digest))
    })
}

/// The text between two others, wherever it stands.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// The secrets that an answer gives out, where it does.
fn given(answer: &Response) -> Vec<String> {
    let json = answer.json();
    let named = ["access_token", "refresh_token", "mfa_token", "token", "key", "secret", "challenge"];
    let named = named.iter().filter_map(|name| json[*name].as_str());
    let codes = json["recovery_codes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let cookies = cookies.flat_map(|(_, cookie)| between(cookie, "=", ";").take(1));
    let secret = between(&answer.body, "<code id=\"secret\">", "<");
    let shown = secret.chain(between(&answer.body, "<li><code>", "<"));
    let all = named.chain(codes).chain(cookies).chain(shown);
    all.filter(|secret| secret.len() > 16).map(str::to_owned).collect()
}

/// Sends a row's example as it should be sent, and with each secret where it does not belong.
async fn answers<S: WebService>(world: &World, row: &Row<S>) -> Vec<Response> {
    let kind = Kind::of_row(row).first().copied();
    let own = kind.map(|kind| kind.of(&world.a, S::KIND));
    let mut requests = vec![request(row, &world.a, own.as_deref())];
    for secret in misplaced(&world.a) {
        let wrong = |request: Request| request.header("X-Request-Id", &secret).header("Origin", &secret);
        requests.push(wrong(request(row, &world.b, Some(&secret))));
        let own = request(row, &world.b, kind.map(|kind| kind.of(&world.b, S::KIND)).as_deref());
        let sign = if own.target.contains('?') { '&' } else { '?' };
        let written = secret.replace(' ', "%20");
        requests.push(Request { target: format!("{}{sign}key={written}", own.target), ..own.clone() });
        if let Some((start, _)) = row.spec.path.split_once('{') {
            requests.push(Request { target: format!("{start}{written}"), ..own.clone() });
        }
        requests.push(own.header("Idempotency-Key", &secret));
    }
    // What a query takes as its credential is written as there.
    requests.iter_mut().for_each(|request| request.target = request.target.replace(' ', "%20"));
    let mut answers = Vec::new();
    for request in requests {
        answers.push(from_afar(request).send(world.address(S::KIND)).await.unwrap());
    }
    let first = answers.first().unwrap();
    assert_eq!(first.status, row.status, "{}: {}", row.spec.id, first.body);
    answers
}

/// That none of the first tenant's secrets is in an answer or an event; and neither they nor what was given out are in the
/// store.
async fn nothing_is_shown(world: World, answers: Vec<(&'static str, Response)>) -> usize {
    let secrets = held(&world.a);
    let mut stored = Hidden::of(secrets.clone());
    let mut hidden = stored.clone();
    hidden.hide_as_written(digests(&secrets));
    hidden.hide_as_written([world.a.person.password.replace(' ', "%20")]);
    assert!(
        secrets.iter().all(|secret| hidden.shown_in(secret).is_some()),
        "what is looked for would be found"
    );
    for (id, answer) in &answers {
        let head: String = answer.headers.iter().map(|(_, value)| format!("{value}\n")).collect();
        let shown = hidden.shown_in(&answer.body).or(hidden.shown_in(&head));
        assert_eq!(shown, None, "{id} shows a secret: {answer:?}");
        stored.hide(given(answer));
    }
    for row in world.place.whole().await {
        assert_eq!(stored.shown_in(&row), None, "{row}");
    }
    // Refusals are written by the end at the latest.
    let audit = Arc::clone(&world.stores.audit);
    let _place = world.end().await;
    let events = audit.scan(1, u16::MAX).await.unwrap();
    for found in &events {
        let entry = format!("{:?}", found.entry);
        let shown = hidden.shown_in(&entry).or(stored.shown_in(&entry));
        assert_eq!(shown, None, "an event shows a secret: {entry}");
    }
    events.iter().filter(|found| found.entry.event.contains("request.refused")).count()
}

async fn behind_a_proxy() -> World {
    World::start_behind(vec!["127.0.0.0/8".parse().unwrap()]).await
}

fn reads<S>(row: &&Row<S>) -> bool {
    row.spec.audit.is_none()
}

async fn reading<S: WebService>(world: &World) -> Vec<(&'static str, Response)> {
    let mut all = Vec::new();
    for row in S::TABLE.rows().iter().filter(reads) {
        all.extend(answers(world, row).await.into_iter().map(|answer| (row.spec.id, answer)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_an_answer_or_an_event() {
    let world = behind_a_proxy().await;
    let mut all = [reading::<Hub>(&world).await, reading::<Chatbot>(&world).await].concat();
    // What all that left in the lists of the one whose secrets they are.
    for (service, lists) in [
        (Service::Hub, &["/api-keys", "/calls", "/audit/events"][..]),
        (Service::Chatbot, &["/auth/api/v1/tokens", "/audit/events"]),
    ] {
        for list in lists {
            let target = format!("{list}?limit=200");
            let ask = Request::get(&target).bearer(&Kind::Key.of(&world.a, service));
            let listed = ask.send(world.address(service)).await.unwrap();
            assert_eq!(listed.status, 200, "{list}: {}", listed.body);
            all.push((list, listed));
        }
    }
    let refused = nothing_is_shown(world, all).await;
    assert!(refused > 20, "{refused}");
}

/// What writes ends sessions, too: each row has a world of its own.
async fn writing<S: WebService>() -> usize {
    let mut rows = 0;
    for row in S::TABLE.rows().iter().filter(|row| !reads(row)) {
        let world = behind_a_proxy().await;
        let answers = answers(&world, row).await;
        nothing_is_shown(world, answers.into_iter().map(|answer| (row.spec.id, answer)).collect()).await;
        rows += 1;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_what_is_written() {
    let rows = writing::<Hub>().await + writing::<Chatbot>().await;
    assert!(rows > 50, "{rows}");
}

/// A person, and all that they were given.
struct Life<'a> {
    world: &'a World,
    hidden: Hidden,
}

impl Life<'_> {
    /// Sends what has to be taken; what is given out for it must not be seen again.
    async fn send(&mut self, request: Request) -> Response {
        let answer = self.world.chatbot(request.clone()).await;
        assert!(answer.status < 400, "{request:?}: {}", answer.body);
        self.hidden.hide(given(&answer));
        answer
    }

    async fn post(&mut self, path: &str, body: &Value, access: &str) -> Response {
        let request = Request::post(path, &body.to_string());
        self.send(if access.is_empty() { request } else { request.bearer(access) }).await
    }

    async fn bare(&mut self, path: &str, access: &str) -> Response {
        self.send(Request::new("POST", path).bearer(access)).await
    }

    async fn is_stored_nowhere(&self) {
        for row in self.world.place.whole().await {
            assert_eq!(self.hidden.shown_in(&row), None, "{row}");
        }
    }
}

/// Rows B21, D12 and F6: whatever a person is given, the store holds digests of it, and sealed what it must read again.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_are_given_is_stored_nowhere() {
    let world = World::start().await;
    let mut frank = world.register("frank", "a", None).await;
    let mut life = Life { world: &world, hidden: Hidden::of([frank.password.clone()]) };
    let credentials = json!({ "email": frank.email, "password": frank.password });
    let begun = life.post("/auth/login", &credentials, "").await;

    // A refresh, once more for its lost answer, and the next one: two digests, and a successor that is sealed.
    let refresh = |token: &str| json!({ "refresh_token": token });
    let first = begun.field("refresh_token");
    let second = life.post("/auth/refresh", &refresh(&first), "").await.field("refresh_token");
    let again = life.post("/auth/refresh", &refresh(&first), "").await.field("refresh_token");
    assert_eq!(second, again);
    life.is_stored_nowhere().await;
    let next = life.post("/auth/refresh", &refresh(&second), "").await;
    life.is_stored_nowhere().await;
    let rows = world.place.whole().await.join("\n").to_lowercase();
    for kept in [&second, &next.field("refresh_token")] {
        let digest = data_encoding::HEXLOWER.encode(TokenDigest::of(kept).as_bytes());
        assert!(rows.contains(&digest), "what is looked through holds what is kept of it");
    }

    // An authenticator, recovery codes, a passkey; and logins with each.
    frank.access = next.field("access_token");
    frank.totp = life.bare("/auth/mfa/totp/enroll", &frank.access).await.field("secret");
    let code = || TotpSecret::parse(&frank.totp).unwrap().code(world.clock.now());
    let confirmed = life.post("/auth/mfa/totp/confirm", &json!({ "code": code() }), &frank.access).await;
    let strong = world.in_session(&frank, &confirmed).await;
    let codes = life.bare("/auth/mfa/recovery-codes", &strong.access).await.json();
    let pending = life.post("/auth/login", &credentials, "").await.field("mfa_token");
    let shown = json!({ "mfa_token": pending, "recovery_code": codes["recovery_codes"][0] });
    let strong = world.in_session(&frank, &life.post("/auth/mfa/verify", &shown, "").await).await;
    world.advance(Duration::from_secs(60)).await;
    let stepped = life.post("/auth/mfa/step-up", &json!({ "code": code() }), &strong.access).await;
    let strong = world.in_session(&frank, &stepped).await;
    life.bare("/auth/mfa/webauthn/register/start", &strong.access).await;
    let strong = world.with_passkey(&strong, |id| Passkey::new(id, Pair::ec())).await;
    life.hidden.hide([strong.access.clone(), strong.refresh.clone(), strong.page.clone()]);
    life.bare("/auth/mfa/webauthn/step-up/challenge", &strong.access).await;
    let pending = life.post("/auth/login", &credentials, "").await.field("mfa_token");
    let asked = json!({ "mfa_token": pending });
    let challenge = life.post("/auth/mfa/webauthn/challenge", &asked, "").await.field("challenge");
    life.is_stored_nowhere().await;
    let passkey = &strong.passkey.as_ref().unwrap().0;
    let shown = json!({ "mfa_token": pending, "webauthn": passkey.show(&challenge) });
    life.post("/auth/mfa/verify", &shown, "").await;

    // A page, and a letter.
    let own = |request: Request| request.header("Sec-Fetch-Site", "same-origin");
    let fields = format!("email={}&password={}&domain=", frank.email, frank.password);
    let waits = given(&life.send(own(form("/login", &fields))).await);
    let fields = format!("recovery_code={}", codes["recovery_codes"][1].as_str().unwrap());
    let cookie = format!("__Host-login={}", waits[0]);
    let entered = life.send(own(form("/login/factor", &fields)).header("Cookie", &cookie)).await;
    assert!(!given(&entered).is_empty(), "{entered:?}");
    life.post("/auth/password/forgot", &json!({ "email": frank.email }), "").await;
    let letter = token(&world.mailbox.awaited(&frank.email, 1).await);
    life.hidden.hide([letter.clone(), "three quiet walruses".to_owned()]);
    life.is_stored_nowhere().await;
    let reset = json!({ "token": letter, "password": "three quiet walruses" });
    life.post("/auth/password/reset", &reset, "").await;
    life.is_stored_nowhere().await;
    assert!(life.hidden.count() > 30, "{}", life.hidden.count());
    world.end().await;
}
