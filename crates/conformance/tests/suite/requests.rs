//! How requests are taken: credentials, bodies, documents.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::NewSecret,
    id::KeyId,
    model::{Name, NewKey},
    policy::{Installation, Networks, Permissions, Rights, Rule, grant},
    port::ImportKeys,
    secret::TokenDigest,
    service::Service,
    time::Clock as _,
};
use auth_web::{Place, Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{
    caller::{Kind, damaged, request},
    client::Request,
    contract::fixture::unbounded,
    operator::operator,
    world::World,
};
use hub_service::Hub;

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_refused_wherever_they_come_from() {
    let world = World::start().await;
    let (a, b) = (&world.a.hub_key, &world.b.hub_key);
    let get = || Request::get("/calls");
    assert_eq!(
        world.hub(get().bearer(a).header("X-API-Key", a)).await.status,
        200,
        "one credential, said twice"
    );
    for request in [
        get().bearer(a).header("X-API-Key", b),
        get().bearer(a).bearer(a),
        get().bearer(a).bearer(b),
        get().header("X-API-Key", a).header("X-API-Key", a),
    ] {
        let refused = world.hub(request).await;
        assert_eq!((refused.status, refused.field("code")), (400, "invalid_request".to_owned()));
    }
    let connect = format!("/autoconnect?token={}", world.a.temp.0);
    let twice = Request::get(&format!("{connect}&token={}", world.a.temp.0));
    assert_eq!(world.chatbot(twice).await.status, 400);
    let before = world.dump().await;
    let tried = beside_another::<Hub>(&world).await + beside_another::<Chatbot>(&world).await;
    assert!(tried > 50, "{tried}");
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

/// Presents a live credential in the place of every guarded row, and another one in a header beside it.
async fn beside_another<S: WebService>(world: &World) -> usize {
    let mut tried = 0;
    for row in guarded::<S>() {
        let kind = Kind::of_row(row)[0];
        let sent = || request(row, &world.a, Some(&kind.of(&world.a, S::KIND)));
        let other = kind.of(&world.b, S::KIND);
        for two in [sent().bearer(&other), sent().header("X-API-Key", &other)] {
            let refused = two.send(world.address(S::KIND)).await.unwrap();
            let told = (refused.status, refused.field("code"));
            assert_eq!(told, (400, "invalid_request".to_owned()), "{}: {two:?}", row.spec.id);
            tried += 1;
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_credential_is_none() {
    let world = World::start().await;
    let before = world.dump().await;
    let tried = empty::<Hub>(&world).await + empty::<Chatbot>(&world).await;
    assert!(tried > 100, "{tried}");
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

/// Presents nothing in the place of every guarded row.
async fn empty<S: WebService>(world: &World) -> usize {
    let mut tried = 0;
    for row in guarded::<S>() {
        let bare = || request(row, &world.a, None);
        let mut requests = vec![request(row, &world.a, Some("")), request(row, &world.a, Some("%20"))];
        match row.spec.place {
            Place::Header => {
                for value in ["", " ", "Bearer", "Bearer ", "Bearer  \t "] {
                    requests.push(bare().header("Authorization", value));
                    requests.push(bare().header("X-API-Key", value.trim_start_matches("Bearer")));
                }
            }
            Place::Query(name) => {
                let sign = if bare().target.contains('?') { '&' } else { '?' };
                let target = format!("{}{sign}{name}", bare().target);
                requests.push(Request { target, ..bare() });
            }
            Place::Cookie(name) | Place::Page(name) => {
                let lines = [name.to_owned(), format!("{name}=\"\""), format!("{name}=; other=x")];
                requests.extend(lines.iter().map(|line| bare().header("Cookie", line)));
            }
        }
        for empty in requests {
            let refused = empty.send(world.address(S::KIND)).await.unwrap();
            assert_eq!(refused.status, 401, "{}: {empty:?}", row.spec.id);
            tried += 1;
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_an_imported_key_is_no_key() {
    let world = World::start().await;
    for service in Service::ALL {
        let tenant = world.tenant_of(&world.a, service).await;
        let text = format!("a-key-of-the-earlier-{service}");
        let digest = TokenDigest::of(&text);
        let stored = data_encoding::HEXLOWER.encode(digest.as_bytes());
        let now = world.clock.now();
        let rights = Rights {
            permissions: Permissions::all_of(service),
            expires_at: None,
            networks: Networks::ANY,
            rate_limit: None,
        };
        let new = NewKey {
            id: KeyId::draw(now, world.hub_platform.entropy.as_ref()),
            service,
            name: Name::parse("imported").unwrap(),
            rights: unbounded(rights),
            secret: NewSecret { digest, prefix: text.chars().take(8).collect() },
            at: now,
        };
        let grant = grant::<ImportKeys, _>(&operator(), &Installation).unwrap();
        let (made, seq) = world.stores.keys.import(&grant, vec![(tenant, new)]).await.unwrap();
        assert_eq!(made, [true]);
        world.platform(service).validator.settle(seq).await.unwrap();
        let ask = async |key: &str| {
            let ask = Request::get("/audit/events").header("X-API-Key", key);
            ask.send(world.address(service)).await.unwrap().status
        };
        for similar in [&stored, &stored.to_uppercase(), &format!("{text}{stored}"), &text.to_uppercase()] {
            assert_eq!(ask(similar).await, 401, "{similar}");
        }
        assert_eq!(ask(&text).await, 200, "the key itself");
        assert_eq!(ask(&stored).await, 401, "{stored}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_counts_in_its_place_and_as_it_was_given_alone() {
    let world = World::start().await;
    let before = world.dump().await;
    misplaced::<Hub>(&world).await;
    misplaced::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    let key = &world.a.hub_key;
    for (name, value) in
        [("authorization", format!("bEaReR {key}")), ("AUTHORIZATION", format!("Bearer  {key} "))]
    {
        assert_eq!(
            world.hub(Request::get("/calls").header(name, &value)).await.status,
            200,
            "{name}: {value}"
        );
    }
    world.end().await;
}

/// Presents a live credential of every guarded row's kind where it does not count, and what only resembles it.
async fn misplaced<S: WebService>(world: &World) {
    for row in guarded::<S>() {
        let own = Kind::of_row(row)[0].of(&world.a, S::KIND);
        let bare = || request(row, &world.a, None);
        let in_query = |request: Request| {
            let sign = if request.target.contains('?') { '&' } else { '?' };
            let target = format!("{}{sign}access_token={own}&api_key={own}&key={own}", request.target);
            Request { target, ..request }
        };
        let mut wrong = vec![
            in_query(bare()),
            bare().header("Cookie", &format!("token={own}; api_key={own}; Authorization=Bearer {own}")),
            bare().header("X_API_Key", &own).header("X_Api_Key", &own),
            bare().header("X-Auth-Token", &own).header("Proxy-Authorization", &format!("Bearer {own}")),
            bare()
                .header("X-User", "admin")
                .header("X-Forwarded-User", "admin")
                .header("X-Auth-Principal", "key:1"),
        ];
        if row.spec.body.starts_with('{') {
            let mut body: serde_json::Value = serde_json::from_str(&bare().body).unwrap();
            for name in ["access_token", "api_key", "authorization"] {
                body[name] = own.as_str().into();
            }
            wrong.push(Request { body: body.to_string(), ..bare() });
        }
        if row.spec.place == Place::Header {
            for value in
                [format!("Basic {own}"), own.clone(), format!("Bearer\t{own}"), format!("Token {own}")]
            {
                wrong.push(bare().header("Authorization", &value));
            }
        }
        let digest = auth_core::secret::TokenDigest::of(&own);
        let similar = [
            data_encoding::HEXLOWER.encode(digest.as_bytes()),
            data_encoding::HEXUPPER.encode(digest.as_bytes()),
            data_encoding::BASE64URL_NOPAD.encode(digest.as_bytes()),
            format!("{own}{own}"),
            format!("{own}%20"),
            format!("{own}*"),
            own.get(..own.len() - 1).unwrap().to_owned(),
            format!("%5f{}", own.get(1..).unwrap()),
            own.to_uppercase(),
            damaged(&own),
            "null".to_owned(),
            "undefined".to_owned(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        ];
        wrong.extend(similar.iter().map(|text| request(row, &world.a, Some(text))));
        for wrong in wrong {
            let answer = wrong.send(world.address(S::KIND)).await.unwrap();
            assert_eq!(answer.status, 401, "{}: {wrong:?}", row.spec.id);
        }
    }
}

fn guarded<S: WebService>() -> impl Iterator<Item = &'static Row<S>> {
    S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_comes_before_the_body() {
    let world = World::start().await;
    let tried = bodies::<Hub>(&world).await + bodies::<Chatbot>(&world).await;
    assert!(tried > 10, "{tried} rows take a body");
    world.end().await;
}

async fn bodies<S: WebService>(world: &World) -> usize {
    let mut tried = 0;
    for row in guarded::<S>().filter(|row| !row.spec.body.is_empty()) {
        let own = Kind::of_row(row)[0].of(&world.a, S::KIND);
        let send = async |request: &Request, body: &str| {
            let request = Request { body: body.to_owned(), ..request.clone() };
            request.send(world.address(S::KIND)).await.unwrap().status
        };
        let (huge, broken) = ("x".repeat(100_000), "{\"name\":");
        let (stranger, known) = (request(row, &world.a, None), request(row, &world.a, Some(&own)));
        for body in [broken, &huge, "{}"] {
            assert_eq!(send(&stranger, body).await, 401, "{} without a credential", row.spec.id);
        }
        assert_eq!(send(&known, broken).await, 400, "{}", row.spec.id);
        assert_eq!(send(&known, &huge).await, 413, "{}", row.spec.id);
        let mut text = known.clone();
        text.headers.retain(|(name, _)| name != "Content-Type");
        assert_eq!(send(&text.header("Content-Type", "text/plain"), "{}").await, 415, "{}", row.spec.id);
        tried += 1;
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_answered_with_the_field_that_is_wrong() {
    let world = World::start().await;
    let before = world.dump().await;
    let users = format!("/accounts/{}/users", world.a.account_id);
    for (target, body, field) in [
        ("/api-keys", r#"{"permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":7,"permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":"x","permissions":["root"]}"#, "permissions[0]"),
        ("/api-keys", r#"{"name":"x","permissions":["ACCOUNT_ACCESS"]}"#, "permissions[0]"),
        ("/api-keys", r#"{"name":"x","permissions":["chat_access"]}"#, "permissions"),
        ("/api-keys", r#"{"name":"x","permissions":"*"}"#, "permissions"),
        ("/api-keys", r#"{"name":"x","permissions":[],"is_admin":true}"#, "is_admin"),
        ("/api-keys", r#"{"name":"x","permissions":[],"hash":"00"}"#, "hash"),
        ("/api-keys", r#"{"name":"x","name":"y","permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":"x","permissions":[],"rate_limit":0}"#, "rate_limit"),
        ("/api-keys", r#"{"name":"x","permissions":[],"rate_limit":-1}"#, "rate_limit"),
        ("/api-keys", r#"{"name":"x","permissions":[],"allowed_cidrs":["10.0.0.0/99"]}"#, "allowed_cidrs[0]"),
        ("/api-keys", r#"{"name":"x","permissions":[],"expires_at":"2020-01-01T00:00:00Z"}"#, "expires_at"),
        ("/api-keys", r#"{"name":"x","permissions":[],"expires_at":"tomorrow"}"#, "expires_at"),
        ("/api-keys", "{\"name\":\"a\\u0000b\",\"permissions\":[]}", "name"),
        (&users, r#"{"name":"Carol","email":"nowhere"}"#, "email"),
        (&users, r#"{"name":"","email":"carol@example.com"}"#, "name"),
        (&users, r#"{"name":"Carol","email":"carol@example.com","id":"x"}"#, "id"),
        ("/start", r#"{"type":"x","channel":"fax"}"#, "channel"),
        ("/api-keys", "{", "body"),
        ("/api-keys", r#"{"name":"x",}"#, "body"),
        ("/api-keys", r#"{"name" "x"}"#, "body"),
        ("/api-keys", r#"{"name":"x","permissions":[}"#, "permissions[0]"),
        ("/api-keys", r#"{"name":"x","permissions":[]} {}"#, "body"),
        ("/api-keys", "{\"name\":\"\\ud800\",\"permissions\":[]}", "name"),
        ("/api-keys", "[]", "body"),
        ("/api-keys", "hello", "body"),
        ("/api-keys", "null", "body"),
        ("/api-keys", " ", "body"),
    ] {
        let answer = world.hub(Request::post(target, body).bearer(&world.a.hub_key)).await;
        assert_eq!(
            (answer.status, answer.field("field")),
            (400, field.to_owned()),
            "{body}: {}",
            answer.body
        );
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(world.hub(Request::post("/api-keys", &deep).bearer(&world.a.hub_key)).await.status, 400);
    for query in
        ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=AAAA", "nonsense=1", "limit=1&limit=2"]
    {
        let answer = world.hub(Request::get(&format!("/calls?{query}")).bearer(&world.a.hub_key)).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

#[test]
fn no_route_takes_its_credential_from_the_query_but_the_fixed_one() {
    let elsewhere = Hub::TABLE.rows().iter().map(|row| (row.spec.id, row.spec.place));
    let elsewhere: Vec<_> = elsewhere
        .chain(Chatbot::TABLE.rows().iter().map(|row| (row.spec.id, row.spec.place)))
        .filter(|(_, place)| *place != Place::Header)
        .map(|(id, _)| id)
        .collect();
    let pages = [
        "page_account",
        "page_totp_enroll",
        "page_totp_confirm",
        "page_totp_remove",
        "page_passkey_enroll",
        "page_passkey_confirm",
        "page_passkey_remove",
        "page_recovery_codes",
        "page_step_up_form",
        "page_step_up",
        "page_session_end",
        "page_logout_all",
        "page_password",
        "page_logout",
    ];
    assert_eq!(elsewhere, [&["autoconnect", "chat_page", "chat_ask"][..], &pages].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_say_what_is_enforced() {
    let world = World::start().await;
    for service in Service::ALL {
        let get =
            async |target: &str| Request::get(target).send(world.address(service)).await.unwrap().json();
        let (document, routes) = (get("/openapi.json").await, get("/auth/routes").await);
        let mut operations = 0;
        for route in routes.as_array().unwrap() {
            let method = route["method"].as_str().unwrap().to_lowercase();
            let operation = &document["paths"][route["path"].as_str().unwrap()][&method];
            assert_eq!(operation["operationId"], route["id"]);
            let public = route["requirement"] == "public";
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), public, "{route}");
            assert_eq!(public, route["because"].is_string(), "a public route says why");
            operations += 1;
        }
        let documented: usize =
            document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(documented, operations);
    }
    world.end().await;
}
