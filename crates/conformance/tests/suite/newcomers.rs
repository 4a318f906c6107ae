//! Who registers: nobody, unless the operator says so; and with which addresses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::service::Service;
use chatbot_service::settings::{People, Registration, Settings};
use conformance::{
    caller::wrong_form,
    client::{Request, Response},
    place::changes,
    visitor::Visitor,
    world::{PEOPLE, World},
};
use serde_json::{Value, json};
use std::time::Duration;

const PASSWORD: &str = "quietly violet tapirs";

async fn log_in(world: &World, email: &str, password: &str) -> Response {
    let body = json!({ "email": email, "password": password }).to_string();
    world.chatbot(Request::post("/auth/login", &body)).await
}

async fn register(world: &World, email: &str) -> Response {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Carol" }).to_string();
    world.chatbot(Request::post("/auth/register", &body)).await
}

/// Row C10: what the service does if nothing is said, and that only these words say something else.
#[test]
fn nobody_registers_unless_the_operator_says_so() {
    let read = |people: Value| {
        let settings = json!({ "store": { "url": "sqlite://auth.db" }, "people": people });
        serde_json::from_value::<Settings>(settings)
    };
    let bare: Settings = serde_json::from_value(json!({ "store": { "url": "sqlite://auth.db" } })).unwrap();
    assert_eq!((bare.people.registration, bare.development), (Registration::Off, false));
    for silent in [json!({}), json!({ "password_reset": "off" })] {
        assert_eq!(read(silent).unwrap().people.registration, Registration::Off);
    }
    for (said, registration) in
        [("off", Registration::Off), ("verified", Registration::Verified), ("open", Registration::Open)]
    {
        let settings = read(json!({ "registration": said })).unwrap();
        assert_eq!(settings.people.registration, registration);
    }
    for wrong in [json!(""), json!("Open"), json!("on"), json!("true"), json!(true), json!(null), json!(1)] {
        assert!(read(json!({ "registration": wrong })).is_err());
    }
}

/// Row C10: neither at the route nor at the page, whoever's the address is; and nobody learns whether somebody has it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_where_it_is_off() {
    let world = World::start_for(People { registration: Registration::Off, ..PEOPLE }).await;
    let person = world.a.person.clone();
    // Where not everybody may, who logs in has shown their address to be theirs.
    world.place.execute("UPDATE people SET verified_at = created_at").await;
    let before = world.dump().await;
    for email in ["carol@example.com", &person.email] {
        let answer = register(&world, email).await;
        assert_eq!((answer.status, answer.field("code")), (404, "not_found".to_owned()), "{}", answer.body);
        assert_eq!(wrong_form(&answer, Service::Chatbot), [""; 0]);
        let fields = format!("email={email}&name=Carol&password={PASSWORD}&domain=");
        let page = Visitor::new(&world).post("/register", &fields).await;
        assert_eq!(page.status, 404, "{}", page.body);
    }
    let mut browser = Visitor::new(&world);
    assert_eq!(browser.get("/register").await.status, 404);
    let login = browser.get("/login").await;
    assert!(login.status == 200 && !login.body.contains("/register"), "{}", login.body);
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nobody is made");
    assert_eq!(log_in(&world, "carol@example.com", PASSWORD).await.status, 401);
    assert_eq!(log_in(&world, &person.email, &person.password).await.status, 200, "but people log in");
    let mailbox = world.mailbox.clone();
    world.end().await;
    mailbox.closed().await;
    assert_eq!(mailbox.count(), 0);
}

async fn people(world: &World) -> Vec<String> {
    let mut people = world.place.query("SELECT address AS line FROM people").await;
    people.sort();
    people
}

/// Texts that look like an address, or that something reads as it.
fn twins(address: &str) -> Vec<String> {
    let (local, domain) = address.split_once('@').unwrap();
    let swapped = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1)
    };
    let before = |from: &str, to: &str| format!("{}@{domain}", swapped(local, from, to));
    let behind = |from: &str, to: &str| format!("{local}@{}", swapped(domain, from, to));
    vec![
        // Letters of others, and forms of the same.
        before("a", "\u{430}"),
        before("c", "\u{441}"),
        before("e", "\u{435}"),
        before("i", "\u{456}"),
        before("i", "\u{131}"),
        before("i", "\u{130}"),
        before("a", "\u{ff41}"),
        before("a", "\u{24d0}"),
        before("a", "\u{1d41a}"),
        before("a", "a\u{301}"),
        before("l", "\u{217c}"),
        behind("a.", "\u{ff41}."),
        behind("a.", "\u{24d0}."),
        behind("a.", "\u{1d41a}."),
        behind(".", "\u{3002}"),
        behind(".", "\u{ff0e}"),
        behind(".", "\u{ff61}"),
        behind("l", "\u{217c}"),
        behind("x", "\u{2179}"),
        // What is not seen.
        before("l", "\u{200b}l"),
        before("l", "\u{ad}l"),
        before("a", "\u{feff}a"),
        before("l", "\u{202e}l"),
        behind("x", "\u{200b}x"),
        behind("x", "\u{ad}x"),
        behind("x", "\u{200d}x"),
        behind("x", "\u{2060}x"),
        behind("x", "\u{fe0f}x"),
        format!("{address}\u{200b}"),
        format!("\u{feff}{address}"),
        format!("{address}\0"),
        format!("{address}\n"),
        format!(" {address}\t"),
        format!("\u{a0}{address}\u{3000}"),
        format!("{local} @{domain}"),
        format!("{local}@ {domain}"),
        // Other cases, and ends.
        address.to_uppercase(),
        format!("{}@{}", local.to_uppercase(), domain),
        format!("{local}@{}", domain.to_uppercase()),
        format!("{address}."),
        format!("{local}@.{domain}"),
        format!("{local}@{}", domain.replace('.', "..")),
        // What some read as another form of it.
        address.replace('@', "%40"),
        address.replace('@', "\u{ff20}"),
        address.replace('@', "\u{fe6b}"),
        address.replace('@', "@@"),
        format!("\"{local}\"@{domain}"),
        format!("Alice <{address}>"),
        format!("<{address}>"),
        format!("{address},{address}"),
        format!("{local}@x@{domain}"),
        format!("mailto:{address}?"),
    ]
}

/// Row C13: whatever looks like an address is refused, or is that address: there is no second one, and nobody is let in as
/// somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_an_address_is_no_second_one() {
    let world = World::start().await;
    let person = world.a.person.clone();
    let before = people(&world).await;
    let (mut refused, mut same) = (0, 0);
    for twin in twins(&person.email) {
        // Of a minute: the routes are limited.
        world.advance(Duration::from_secs(3)).await;
        let answer = register(&world, &twin).await;
        match answer.status {
            400 => {
                assert_eq!(answer.field("field"), "email", "{twin:?}: {}", answer.body);
                refused += 1;
            }
            status => {
                assert_eq!(status, 202, "{twin:?}: {}", answer.body);
                let login = log_in(&world, &twin, &person.password).await;
                assert_eq!(login.status, 200, "{twin:?} is the same person: {}", login.body);
                same += 1;
            }
        }
        assert_eq!(people(&world).await, before, "{twin:?}");
        assert_eq!(log_in(&world, &twin, PASSWORD).await.status, 401, "{twin:?} has another password");
        world.place.execute("DELETE FROM attempts").await;
    }
    assert!(refused > 25 && same > 8, "{refused} were refused, {same} were the same");
    world.end().await;
}

/// Row C13: escapes of JSON and of forms are other writings of the same address, before anything is compared.
#[tokio::test(flavor = "multi_thread")]
async fn an_escaped_address_is_the_address() {
    let world = World::start().await;
    let person = world.a.person.clone();
    let before = people(&world).await;
    let escaped = |each: fn(char) -> String| person.email.chars().map(each).collect::<String>();
    let unicode = escaped(|c| format!("\\u{:04x}", u32::from(c)));
    let percent = escaped(|c| format!("%{:02x}", u32::from(c)));
    let sent = |path: &str, rest: &str| Request::post(path, &format!("{{\"email\":\"{unicode}\",{rest}}}"));
    let rest = format!("\"password\":\"{PASSWORD}\",\"name\":\"Carol\"");
    assert_eq!(world.chatbot(sent("/auth/register", &rest)).await.status, 202);
    let rest = format!("\"password\":\"{}\"", person.password);
    assert_eq!(world.chatbot(sent("/auth/login", &rest)).await.status, 200, "it is the same person");
    let mut browser = Visitor::new(&world);
    let fields = format!("email={percent}&name=Carol&password={PASSWORD}&domain=");
    assert_eq!(browser.post("/register", &fields).await.status, 200);
    let fields = format!("email={percent}&password={}&domain=", person.password);
    assert_eq!(browser.post("/login", &fields).await.status, 303, "it is the same person");
    assert_eq!(people(&world).await, before, "nobody is made");
    // Half of a pair is no text.
    let broken = json!({ "password": PASSWORD, "name": "Carol" }).to_string().replacen(
        '{',
        "{\"email\":\"ali\\ud83dce@example.com\",",
        1,
    );
    assert_eq!(world.chatbot(Request::post("/auth/register", &broken)).await.status, 400);
    assert_eq!(people(&world).await, before);
    world.end().await;
}

/// Row C13: a domain of other letters is another domain, which somebody else may have; it is kept and shown as it is in ASCII,
/// so that it does not look like the first.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_domain_in_other_letters_looks_like_no_other() {
    let world = World::start().await;
    let before = people(&world).await;
    let other = world.a.person.email.replace("@a.", "@\u{430}.");
    assert_eq!(register(&world, &other).await.status, 202);
    let now = people(&world).await;
    let made: Vec<_> = now.iter().filter(|address| !before.contains(address)).collect();
    assert_eq!(made, ["alice@xn--80a.example"]);
    let begun = log_in(&world, &other, PASSWORD).await;
    let me = world.chatbot(Request::get("/auth/me").bearer(&begun.field("access_token"))).await;
    assert_eq!(me.field("email"), "alice@xn--80a.example");
    assert_eq!(log_in(&world, &other, &world.a.person.password).await.status, 401, "nor is it the first");
    world.end().await;
}
