//! Who is calling from where, behind a proxy, as the routes see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    policy::{Networks, Permissions, Rights},
    service::Service,
};
use conformance::{
    client::{Response, raw},
    world::World,
};

/// A world whose services trust their peer, which is this test, as a proxy.
async fn behind_a_proxy() -> World {
    World::start_behind(vec!["127.0.0.0/8".parse().unwrap()]).await
}

async fn send(to: std::net::SocketAddr, head: &str, forwarded: &[u8]) -> Response {
    let mut text = format!("{head}\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: ").into_bytes();
    text.extend_from_slice(forwarded);
    text.extend_from_slice(b"\r\n\r\n");
    Response::parse(&raw(to, &text).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_some_networks_is_refused_where_the_address_is_not_known() {
    let world = behind_a_proxy().await;
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    // The proxy itself is within the key's networks: its callers are not for that.
    let networks = ["203.0.113.0/24", "2001:db8::/32", "127.0.0.0/8"].map(|network| network.parse().unwrap());
    let rights = Rights {
        permissions: Permissions::all_of(Service::Hub),
        expires_at: None,
        networks: Networks::new(networks),
        rate_limit: None,
    };
    let (key, _) = world.key_with(Service::Hub, tenant, rights).await;
    let head = format!("GET /calls HTTP/1.1\r\nAuthorization: Bearer {key}");
    for (forwarded, status) in [
        (&b"203.0.113.7"[..], 200),
        (b"203.0.113.7:4711", 200),
        (b"[2001:db8::7]:4711", 200),
        (b"198.51.100.1, 203.0.113.7", 200),
        (b"198.51.100.1", 403),
        (b"198.51.100.1:80", 403),
        (b"unknown", 403),
        (b"203.0.113.7, unknown", 403),
        (b"203.0.113.7\xe9", 403),
        (b"\xff", 403),
        (b"nonsense", 403),
    ] {
        let answer = send(world.hub, &head, forwarded).await;
        assert_eq!(answer.status, status, "{}: {}", forwarded.escape_ascii(), answer.body);
    }
    // Two lines are one list: one that cannot be read does not vanish.
    let two = [b"203.0.113.7\r\nX-Forwarded-For: ", &b"\xe9"[..]].concat();
    assert_eq!(send(world.hub, &head, &two).await.status, 403);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_an_address_share_one_limit() {
    let world = behind_a_proxy().await;
    let head = "OPTIONS /v1/widget/session HTTP/1.1\r\nOrigin: https://nobody.example";
    for n in 0..300 {
        let hop = if n % 2 == 0 { format!("unknown{n}") } else { "\u{e9}".to_owned() };
        assert_eq!(send(world.chatbot, head, hop.as_bytes()).await.status, 204, "{n}");
    }
    let refused = send(world.chatbot, head, b"unknown").await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(send(world.chatbot, head, b"203.0.113.7").await.status, 204, "others go on");
    world.end().await;
}
