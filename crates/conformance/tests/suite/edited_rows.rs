//! Keys and people whose rows were edited by hand: keys grant what stands there to the letter, and nothing where it does not
//! read; and no password is hashed for as long as a row says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    policy::{Permission, Permissions},
    service::Service,
};
use auth_web::{Method, Service as WebService};
use chatbot_service::Chatbot;
use conformance::{
    caller::request,
    client::{Request, Response},
    visitor::Visitor,
    world::{Person, World, permission},
};
use hub_service::Hub;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// A key of the first tenant that nobody has used yet, with a column of its row set to an SQL value.
async fn edited(world: &World, service: Service, column: &str, value: &str) -> String {
    let tenant = world.tenant_of(&world.a, service).await;
    let (secret, id) = world.key(service, tenant, Permissions::all_of(service), None).await;
    let id = world.place.bytes(&id.replace('-', ""));
    world.place.execute(&format!("UPDATE keys SET {column} = {value} WHERE id = {id}")).await;
    secret
}

/// Sends every reading row's example with a key, twice, since the second answer comes from memory; the rows'
/// permissions and the answers.
async fn reads<S: WebService>(world: &World, key: &str) -> Vec<(Permission, Response)> {
    let mut answers = Vec::new();
    for row in S::TABLE.rows().iter().filter(|row| row.spec.method == Method::Get) {
        let rule = row.rule.to_string();
        let by_key = rule.split(" | ").find(|need| need.starts_with("key(") || need.starts_with("dkey("));
        let Some(needed) = by_key.and_then(|need| need.split(['(', ')']).nth(1)) else { continue };
        for _ in 0..2 {
            let answer = request(row, &world.a, Some(key)).send(world.address(S::KIND)).await.unwrap();
            answers.push((permission(needed), answer));
        }
    }
    assert!(answers.len() >= 4, "{answers:?}");
    answers
}

/// The permissions that a key with this text in its row turns out to hold.
async fn held<S: WebService>(world: &World, text: &str) -> BTreeSet<&'static str> {
    let key = edited(world, S::KIND, "permissions", &format!("'{text}'")).await;
    let mut held = BTreeSet::new();
    for (needed, answer) in reads::<S>(world, &key).await {
        match answer.status {
            200 => assert!(held.insert(needed.name()) || held.contains(needed.name())),
            status => assert_eq!(status, 403, "{text:?}: {}", answer.body),
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_granted_by_their_exact_words_alone() {
    let world = World::start().await;
    for text in [
        "",
        " ",
        "*",
        "all",
        "admin",
        "call_*",
        "511",
        "BILLING_ACCESS",
        "Billing_Access",
        "billing-access",
        "billing_access,audit_read",
        "billing_access;audit_read",
        "[\"billing_access\"]",
        "billing_access\taudit_read",
        "audit_read\n",
        "audit_read\u{a0}",
        "\u{ff41}udit_read",
        "billing_access:read",
        "introspect",
    ] {
        assert_eq!(held::<Hub>(&world, text).await, BTreeSet::new(), "{text:?}");
        assert_eq!(held::<Chatbot>(&world, text).await, BTreeSet::new(), "{text:?}");
    }
    for (text, wanted) in [
        ("billing_access ", vec!["billing_access"]),
        ("  billing_access  audit_read ", vec!["billing_access", "audit_read"]),
        ("billing_access, audit_read", vec!["audit_read"]),
        ("* all BILLING_ACCESS audit_read", vec!["audit_read"]),
        ("token_generation chat_access billing_access", vec!["billing_access"]),
    ] {
        assert_eq!(held::<Hub>(&world, text).await, wanted.into_iter().collect(), "{text:?}");
    }
    let both = held::<Chatbot>(&world, "billing_access token_generation audit_read").await;
    assert_eq!(both, ["audit_read", "token_generation"].into());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_do_not_read_refuse() {
    let world = World::start().await;
    for text in [
        " ",
        "   ",
        "\t",
        "*",
        "any",
        "null",
        "[]",
        "localhost",
        "0.0.0.0",
        "127.0.0.1",
        "127.0.0.0/33",
        "127.0.0.0/-1",
        "127.0.0.0/8,10.0.0.0/8",
        "127.0.0.0/8 and more",
        "garbage 127.0.0.0/8",
        "127.0.0.0/8\n",
    ] {
        refuses(&world, "networks", &format!("'{text}'")).await;
    }
    for rate in ["0", "-1", "4294967296"] {
        refuses(&world, "rate_limit", rate).await;
    }
    for (text, status) in
        [("'10.0.0.0/8  192.0.2.0/24 '", 403), ("' 127.0.0.0/8 '", 200), ("'127.255.255.255/8'", 200)]
    {
        let key = edited(&world, Service::Hub, "networks", text).await;
        assert_eq!(world.hub(Request::get("/calls").bearer(&key)).await.status, status, "{text}");
    }
    world.end().await;
}

/// A key with such a row is refused on every row that reads, and says nothing but that it failed.
async fn refuses(world: &World, column: &str, value: &str) {
    let (hub, chatbot) = (
        edited(world, Service::Hub, column, value).await,
        edited(world, Service::Chatbot, column, value).await,
    );
    let answers = [reads::<Hub>(world, &hub).await, reads::<Chatbot>(world, &chatbot).await].concat();
    for (_, answer) in answers {
        assert_eq!((answer.status, answer.field("code").as_str()), (500, "internal_error"), "{value:?}");
    }
}

/// Row C8: a hash of an absurd cost would take days, and one of another kind is none. The longest that is waited for is less
/// than any such cost takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_an_absurd_cost_or_another_kind_is_not_computed() {
    let world = World::start().await;
    let (person, other) = (&world.a.person, &world.b.person);
    let login = |who: &Person| {
        let body = json!({ "email": who.email, "password": who.password }).to_string();
        Request::post("/auth/login", &body)
    };
    for head in ["$2b$31$", "$2b$25$", "$2b$15$", "$2b$03$", "$2b$00$", "$2x$04$", "$5$rounds=999999999$", ""]
    {
        let edit = format!(
            "UPDATE people SET password = '{head}' || substr(password, 8) WHERE address = '{}'",
            person.email
        );
        world.place.execute(&edit).await;
        let body = json!({ "current_password": person.password, "new_password": "three quiet walruses" });
        let change = Request::post("/auth/password/change", &body.to_string()).bearer(&person.access);
        let answered = async {
            for request in
                [login(person), login(&Person { password: "wrong".to_owned(), ..person.clone() }), change]
            {
                let answer = world.chatbot(request).await;
                assert_eq!(
                    (answer.status, answer.field("code").as_str()),
                    (500, "internal_error"),
                    "{head:?}"
                );
                assert!(!answer.body.contains("bcrypt") && !answer.body.contains("hash"), "{}", answer.body);
            }
            let fields = format!("email={}&password={}&domain=", person.email, person.password);
            assert_eq!(Visitor::new(&world).post("/login", &fields).await.status, 500, "{head:?}");
            assert_eq!(world.chatbot(login(other)).await.status, 200, "somebody else logs in");
        };
        assert!(tokio::time::timeout(SOON, answered).await.is_ok(), "{head:?} is hashed");
    }
    world.end().await;
}

/// The longest that logins are waited for that compute no more than they should.
const SOON: Duration = Duration::from_secs(20);
