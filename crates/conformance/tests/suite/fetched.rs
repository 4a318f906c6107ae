//! Nothing is fetched from where a token says: neither keys nor whoever is said to have issued it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{policy::Rule, time::Clock as _};
use auth_web::Service as WebService;
use aws_lc_rs::signature::KeyPair as _;
use chatbot_service::Chatbot;
use conformance::{
    authenticator::{Pair, text},
    caller::{form, from_afar, request},
    client::Request,
    earlier::{SECRET, sign},
    world::{World, until},
};
use data_encoding::BASE64URL_NOPAD;
use hub_service::Hub;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::net::{TcpListener, TcpStream};

/// Somebody who waits to be asked: where, and how often that was.
async fn listening() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            heard.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (url, asked)
}

/// The parts of a token that say something.
fn parts(token: &str) -> [Value; 2] {
    let decoded = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let mut parts = token.split('.').map(|part| serde_json::from_slice(&decoded(part)));
    [parts.next().unwrap().unwrap(), parts.next().unwrap().unwrap()]
}

/// Tokens that say where their key is, or bring it, signed by whoever wrote them; and tokens of an issuer that is there.
fn tokens(world: &World, url: &str) -> Vec<String> {
    let pair = Pair::ed();
    let Pair::Ed(own) = &pair else { unreachable!("made above") };
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": text(own.public_key().as_ref()), "kid": "1" });
    let set = format!("{url}/jwks.json");
    let good = &world.a.person.access;
    let ([head, claims], signature) = (parts(good), good.rsplit('.').next().unwrap());
    let encoded = |value: &Value| text(value.to_string().as_bytes());
    let signed = |head: &Value, claims: &Value| {
        let signed = format!("{}.{}", encoded(head), encoded(claims));
        format!("{signed}.{}", text(&pair.sign(signed.as_bytes())))
    };
    let with = |value: &Value, name: &str, other: &Value| {
        let mut value = value.clone();
        value[name] = other.clone();
        value
    };
    let mut tokens = Vec::new();
    for (name, value) in [
        ("jku", json!(set)),
        ("x5u", json!(format!("{url}/chain.pem"))),
        ("jwk", jwk),
        ("x5c", json!([text(url.as_bytes())])),
        ("kid", json!(set)),
        ("iss", json!(url)),
    ] {
        let head = with(&head, name, &value);
        tokens.push(signed(&head, &claims));
        tokens.push(signed(&with(&head, "kid", &json!("1")), &claims));
        tokens.push(format!("{}.{}.{signature}", encoded(&head), encoded(&claims)));
        tokens.push(signed(&with(&head, "alg", &json!("RS256")), &with(&claims, "iss", &json!(url))));
    }
    // From another issuer, under a header of ours and under one of theirs; and as the earlier system signed it.
    let foreign = with(&claims, "iss", &json!(url));
    tokens.push(signed(&head, &foreign));
    tokens.push(signed(&json!({ "alg": "EdDSA", "kid": "1", "typ": "at+jwt" }), &foreign));
    let exp = world.clock.now().millis() / 1000 + 600;
    tokens.push(sign(SECRET, &json!({ "sub": world.a.person.email, "exp": exp, "iss": url })));
    assert!(tokens.iter().all(|token| token.len() < 2048), "none is refused for its length");
    tokens
}

/// Shows each token to every guarded row, where the row takes its credential.
async fn shown<S: WebService>(world: &World, tokens: &[String]) -> usize {
    let mut tried = 0;
    for row in S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        for token in tokens {
            let sent = from_afar(request(row, &world.a, Some(token)));
            let answer = sent.send(world.address(S::KIND)).await.unwrap();
            assert_eq!(answer.status, 401, "{}: {token}", row.spec.id);
            tried += 1;
        }
    }
    tried
}

/// Row A5, on every route of both services, and on those that take a token in the body.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_where_a_token_says() {
    let world = World::start_behind(vec!["127.0.0.0/8".parse().unwrap()]).await;
    let (url, asked) = listening().await;
    let tokens = tokens(&world, &url);
    let tried = shown::<Hub>(&world, &tokens).await + shown::<Chatbot>(&world, &tokens).await;
    assert!(tried > 1500, "{tried}");
    for token in &tokens {
        let fields = format!("token={token}");
        let ask = from_afar(form("/auth/introspect", &fields)).bearer(&world.a.introspection_key);
        let told = world.chatbot(ask).await;
        assert_eq!((told.status, told.field("active").as_str()), (200, "false"), "{token}: {}", told.body);
        assert_eq!(world.chatbot(from_afar(form("/auth/revoke", &fields))).await.status, 200, "{token}");
        let body = json!({ "refresh_token": token }).to_string();
        let refreshed = world.chatbot(from_afar(Request::post("/auth/refresh", &body))).await;
        assert_eq!(refreshed.status, 401, "{token}");
    }
    world.end().await;
    // Whoever had come would have been heard before us.
    TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    until("somebody comes", || asked.load(Ordering::SeqCst) > 0).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody else came");
}
