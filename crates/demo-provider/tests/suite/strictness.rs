//! What a client may not do.

use crate::visitor::{
    ALICE, CALLBACK, GRAPH_CALENDAR, Like, World, events_path, form_head, read, token_path,
};
use demo_provider::{Config, Provider, Seen};
use std::net::TcpListener;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn violations(world: &World) -> usize {
    world.provider.seen().iter().filter(|seen| matches!(seen, Seen::Violation(_))).count()
}

#[tokio::test]
async fn an_authorization_request_with_a_fault_leads_nowhere() {
    let world = World::start().await;
    for like in [Like::Google, Like::Microsoft] {
        let login = || world.login(like);
        let faulty = [
            login().with("client_id", "another"),
            login().with("redirect_uri", "http://localhost:9999/callback/"),
            login().with("response_type", "token"),
            login().with("response_mode", "fragment"),
            login().with("scope", "openid everything"),
            login().with("scope", "email"),
            login().with("state", "123456789012345678901"),
            login().without("state"),
            login().without("nonce"),
            login().without("code_challenge"),
            login().with("code_challenge", "short"),
            login().with("code_challenge_method", "plain"),
            login().without("code_challenge_method"),
        ];
        for login in faulty {
            let before = violations(&world);
            let reply = world.get(&format!("{}?{}", world.path(like), login.query())).await;
            assert_eq!((reply.status, reply.header("location")), (400, ""), "{login:?}");
            assert!(world.provider.consent(&world.url(&login), ALICE).is_err());
            assert_eq!(violations(&world), before + 2);
        }
        let twice =
            format!("{}?{}&prompt=none&prompt=none", world.path(like), login().without("prompt").query());
        assert_eq!(world.get(&twice).await.status, 400);
        let posted = world.post(world.path(like), &[], &[]).await;
        assert_eq!(posted.status, 405);
    }
}

#[tokio::test]
async fn a_state_a_nonce_and_a_challenge_are_each_good_once() {
    let world = World::start().await;
    let first = world.login(Like::Google);
    world.consent(&first);
    for name in ["state", "nonce", "code_challenge"] {
        let again = world.login(Like::Microsoft).with(name, &first.parameters[name]);
        let refused = world.provider.consent(&world.url(&again), ALICE);
        assert_eq!(refused, Err(format!("{name} was there before")));
    }
    assert_eq!(violations(&world), 3);
}

#[tokio::test]
async fn a_code_that_is_used_twice_ends_what_it_gave() {
    let world = World::start().await;
    for like in [Like::Google, Like::Microsoft] {
        let login = world.login(like);
        let code = &world.consent(&login)["code"];
        let tokens = world.exchange(&login, code).await;
        assert_eq!(world.exchange(&login, code).await.refusal(), (400, "invalid_grant".to_owned()));
        let refused = world.refresh(like, &tokens.member("refresh_token")).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(world.events(events_path(like), &tokens.member("access_token")).await.status, 401);
        assert!(!world.provider.is_granted(ALICE));
    }
}

#[tokio::test]
async fn a_code_needs_its_verifier_its_address_and_its_endpoint_within_a_minute() {
    let world = World::start().await;
    let invalid = (400, "invalid_grant".to_owned());

    let login = world.login(Like::Google);
    let code = &world.consent(&login)["code"];
    let mut other = login.clone();
    other.verifier = "a".repeat(43);
    assert_eq!(world.exchange(&other, code).await.refusal(), invalid);
    // One guess is all there is.
    assert_eq!(world.exchange(&login, code).await.refusal(), invalid);

    let login = world.login(Like::Google);
    let code = &world.consent(&login)["code"];
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "http://localhost:9999/other"),
        ("code_verifier", &login.verifier),
    ];
    assert_eq!(world.tokens(Like::Google, &fields).await.refusal(), invalid);

    let mut login = world.login(Like::Google);
    let code = &world.consent(&login)["code"];
    login.like = Like::Microsoft;
    assert_eq!(world.exchange(&login, code).await.refusal(), invalid);
    login.like = Like::Google;
    assert_eq!(world.exchange(&login, code).await.status, 200);

    for (seconds, status) in [(59, 200), (60, 400)] {
        let login = world.login(Like::Google);
        let code = &world.consent(&login)["code"];
        world.clock.forward(seconds);
        assert_eq!(world.exchange(&login, code).await.status, status, "{seconds}");
    }
    assert_eq!(violations(&world), 5);
}

#[tokio::test]
async fn a_client_authenticates_in_one_way() {
    let world = World::start().await;
    let (id, secret) = (world.config.client_id.as_str(), world.config.client_secret.as_str());
    let basic = world.basic();
    let in_head = [("authorization", basic.as_str())];
    let cases: [(Pairs<'_>, Pairs<'_>, u16, &str); 7] = [
        (&[], &[("client_id", id), ("client_secret", secret)], 200, ""),
        (&in_head, &[("client_id", id)], 200, ""),
        (&in_head, &[("client_secret", secret)], 400, "invalid_request"),
        (&in_head, &[("client_id", "another")], 400, "invalid_request"),
        (&[], &[], 401, "invalid_client"),
        (&[], &[("client_id", id), ("client_secret", "wrong")], 401, "invalid_client"),
        (&[("authorization", "Basic ZGVtby1jbGllbnQ6d3Jvbmc=")], &[], 401, "invalid_client"),
    ];
    for (head, fields, status, error) in cases {
        let login = world.login(Like::Google);
        let code = &world.consent(&login)["code"];
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &login.verifier),
        ];
        let reply = world.post("/token", head, &[&grant, fields].concat()).await;
        assert_eq!(reply.refusal(), (status, error.to_owned()), "{fields:?}");
        assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401);
    }
}

#[tokio::test]
async fn a_token_request_is_a_form_without_repetition() {
    let world = World::start().await;
    let path = token_path(Like::Microsoft);
    let basic = world.basic();
    let head = form_head(&[("authorization", &basic)]);
    let bodies = [
        ("grant_type=refresh_token&refresh_token=a&refresh_token=a", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=a", "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=a&scope=everything", "invalid_scope"),
        ("grant_type=authorization_code&code=a&redirect_uri=b&code_verifier=short", "invalid_request"),
    ];
    for (number, (body, error)) in bodies.into_iter().enumerate() {
        let reply = read(world.send("POST", path, &head, body).await).await;
        assert_eq!(reply.refusal(), (400, error.to_owned()), "{body}");
        assert_eq!(violations(&world), number + 1);
    }
    let head = [("content-type", "application/json"), ("authorization", &basic)];
    let reply = read(world.send("POST", path, &head, "{}").await).await;
    assert_eq!(reply.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(world.get(path).await.status, 405);

    let login = world.login(Like::Microsoft).with("scope", "openid offline_access");
    let code = &world.consent(&login)["code"];
    let refresh = world.exchange(&login, code).await.member("refresh_token");
    let wider =
        [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", GRAPH_CALENDAR)];
    let reply = world.tokens(Like::Microsoft, &wider).await;
    assert_eq!(reply.refusal(), (400, "invalid_scope".to_owned()));
}

#[tokio::test]
async fn it_starts_on_the_loopback_alone_and_ends_when_dropped() {
    let world = World::start().await;
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    assert!(Provider::start(everywhere, world.config.clone()).await.is_err());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fragment = Config { redirect_uris: vec![format!("{CALLBACK}#a")], ..world.config.clone() };
    assert!(Provider::start(listener, fragment).await.is_err());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(Provider::start(listener, world.config.clone()).await.unwrap());
    // The port is free as soon as the aborted task is gone, which the runtime does in its own time.
    while TcpListener::bind(address).is_err() {
        tokio::task::yield_now().await;
    }
}
