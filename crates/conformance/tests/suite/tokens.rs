//! Temporary tokens, browser chats and widget sessions, over HTTP.

use auth_core::{
    flow::{set_account_status, set_domain_status},
    model::{DomainName, Status},
    policy::Permissions,
    service::Service,
    time::Clock as _,
};
use conformance::{client::Request, operator::operator, world::World};
use std::time::Duration;

fn ask(token: &str) -> Request {
    Request::post("/query/", r#"{"question":"When are you open?","tts":false,"user_id":7}"#).bearer(token)
}

async fn asked(world: &World, token: &str) -> u16 {
    world.chatbot(ask(token)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lasts_as_long_as_was_asked_for_to_the_millisecond() {
    let world = World::start().await;
    let (token, _) = world.temp(&world.a.domain_key, 1).await;
    world.advance(Duration::from_millis(3_599_999)).await;
    assert_eq!(asked(&world, &token).await, 200);
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(asked(&world, &token).await, 401);
    for hours in [0, 169, 1_000_000] {
        let body = format!(r#"{{"username":"alice","expires_in_hours":{hours}}}"#);
        let wrong = Request::post("/auth/api/v1/tokens/generate", &body).bearer(&world.a.domain_key);
        assert_eq!(world.chatbot(wrong).await.field("field"), "expires_in_hours");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deployed_clients_read_is_there() {
    let world = World::start().await;
    let generate =
        |body: &str| Request::post("/auth/api/v1/tokens/generate", body).bearer(&world.a.domain_key);
    let minted = world.chatbot(generate(r#"{"username":"anonymous","language":"en","extra":1}"#)).await;
    assert_eq!(minted.status, 200, "unknown members are ignored on fixed routes");
    assert_eq!(minted.field("username"), "a.example_anonymous");
    assert_eq!(minted.field("domain"), "a.example");
    assert_eq!(minted.field("token").len(), 36);
    let day = world.clock.now() + Duration::from_secs(24 * 3600);
    assert_eq!(minted.field("expires_at"), day.to_string());
    let body = format!(r#"{{"token":"{}"}}"#, minted.field("token"));
    let validate = |key: &str| Request::post("/auth/api/v1/tokens/validate", &body).bearer(key);
    let told = world.chatbot(validate(&world.a.domain_key)).await.json();
    let expected = serde_json::json!({
        "valid": true, "domain": "a.example", "username": "a.example_anonymous", "language": "en",
        "expires_at": day.to_string(),
    });
    assert_eq!(told, expected);
    let foreign = world.chatbot(validate(&world.b.domain_key)).await.json();
    let nothing = serde_json::json!({
        "valid": false, "domain": null, "username": null, "language": null, "expires_at": null,
    });
    assert_eq!(foreign, nothing);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_key_revokes_all_that_it_minted() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let (key, id) = world.key(Service::Chatbot, tenant, Permissions::all_of(Service::Chatbot), None).await;
    let (token, _) = world.temp(&key, 1).await;
    let connect = world.chatbot(Request::get(&format!("/autoconnect?token={token}"))).await;
    let cookie = connect.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = Request::get("/chat").header("Cookie", &cookie);
    assert_eq!((asked(&world, &token).await, world.chatbot(page.clone()).await.status), (200, 200));
    world.revoke(Service::Chatbot, &id).await;
    assert_eq!(asked(&world, &key).await, 401);
    assert_eq!((asked(&world, &token).await, world.chatbot(page).await.status), (401, 401));
    assert_eq!(asked(&world, &world.a.temp.0).await, 200, "another key's tokens live on");
    let body = format!(r#"{{"token":"{token}"}}"#);
    let validate = Request::post("/auth/api/v1/tokens/validate", &body).bearer(&world.a.domain_key);
    assert_eq!(world.chatbot(validate).await.field("valid"), "false");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_token_ends_the_browser_chats_that_it_opened() {
    let world = World::start().await;
    // Newer than any other token, so that the newest of the list is this one.
    world.advance(Duration::from_millis(1)).await;
    let (token, id) = world.temp(&world.a.domain_key, 1).await;
    let connect = Request::get(&format!("/autoconnect?token={token}"));
    let mut pages = Vec::new();
    for _ in 0..2 {
        let opened = world.chatbot(connect.clone()).await;
        let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        pages.push(Request::get("/chat").header("Cookie", &cookie));
        assert_eq!(world.chatbot(pages[0].clone()).await.status, 200);
    }
    let path = format!("/auth/api/v1/tokens/{id}");
    let revoked = world.chatbot(Request::new("DELETE", &path).bearer(&world.a.domain_key)).await;
    assert!((200..300).contains(&revoked.status), "{}", revoked.status);
    assert_eq!((asked(&world, &token).await, world.chatbot(connect).await.status), (401, 401));
    for page in pages {
        assert_eq!(world.chatbot(page).await.status, 401);
    }
    let other = Request::get("/chat").header("Cookie", &format!("__Host-chat={}", world.a.chat));
    assert_eq!(world.chatbot(other).await.status, 200, "another token's chats live on");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_never_outlives_the_key_that_mints_it() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let end = world.clock.now() + Duration::from_secs(1800);
    let all = Permissions::all_of(Service::Chatbot);
    let (key, _) = world.key(Service::Chatbot, tenant, all, Some(end)).await;
    let (token, _) = world.temp(&key, 24).await;
    world.advance(Duration::from_secs(1799)).await;
    assert_eq!(asked(&world, &token).await, 200);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(asked(&world, &token).await, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_or_domain_has_no_credentials_until_it_is_revived() {
    let world = World::start().await;
    let (proof, stores) = (operator(), &world.stores);
    let name = DomainName::parse(&world.a.domain).unwrap();
    let account = world.tenant_of(&world.a, Service::Hub).await.account;
    let account = stores.accounts.read(proof.scope(), account).await.unwrap().unwrap();
    let say = format!(r#"{{"session_id":"{}","text":"Hello"}}"#, world.a.widget.1);
    let say = Request::post("/v1/widget/message", &say).bearer(&world.a.widget.0);
    let page = Request::get("/chat").header("Cookie", &format!("__Host-chat={}", world.a.chat));
    let probe = async || {
        let hub = world.hub(Request::get("/calls").bearer(&world.a.hub_key)).await.status;
        let (key, temp) = (asked(&world, &world.a.domain_key).await, asked(&world, &world.a.temp.0).await);
        let sessions = [world.chatbot(page.clone()).await, world.chatbot(say.clone()).await];
        [hub, key, temp, sessions[0].status, sessions[1].status]
    };
    let body = format!(r#"{{"tenant":"{}","origin":"{}"}}"#, world.a.domain, world.a.origin);
    // Both services hear of what the command line does, or either of them where no role keeps it from that.
    let mut platforms = vec![&world.operator_platform];
    if world.place.location.is_file() {
        platforms.extend([&world.hub_platform, &world.chatbot_platform]);
    }
    for platform in platforms {
        assert_eq!(probe().await, [200; 5]);
        set_account_status(platform, &proof, &account, Status::Suspended).await.unwrap();
        assert_eq!(probe().await, [401; 5]);
        assert_eq!(world.chatbot(Request::post("/v1/widget/session", &body)).await.status, 404);
        set_account_status(platform, &proof, &account, Status::Active).await.unwrap();
        assert_eq!(probe().await, [200; 5]);
        let domain = world.domain(&name).await;
        set_domain_status(platform, &proof, &domain, Status::Suspended).await.unwrap();
        assert_eq!(probe().await, [200, 401, 401, 401, 401]);
        assert_eq!(world.chatbot(Request::post("/v1/widget/session", &body)).await.status, 404);
        set_domain_status(platform, &proof, &domain, Status::Active).await.unwrap();
    }
    assert_eq!(
        world.hub(Request::get("/calls").bearer(&world.b.hub_key)).await.status,
        200,
        "others live on"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoconnect_turns_a_token_into_a_cookie_and_drops_it_from_the_address() {
    let world = World::start().await;
    let opened = world.chatbot(Request::get(&format!("/autoconnect?token={}&lang=de", world.a.temp.0))).await;
    assert_eq!((opened.status, opened.header("location")), (303, Some("/chat")));
    assert_eq!(opened.header("referrer-policy"), Some("no-referrer"));
    let cookie = opened.header("set-cookie").unwrap();
    for part in
        ["__Host-chat=avc_", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=28800"]
    {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&world.a.temp.0) && !cookie.contains("Domain"));
    let value = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    assert_eq!(asked(&world, &value).await, 403, "the cookie's value is no bearer token for other routes");
    let twice = format!("__Host-chat={value}; __Host-chat={value}");
    assert_eq!(world.chatbot(Request::get("/chat").header("Cookie", &twice)).await.status, 400);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_page_takes_questions_from_itself_alone() {
    let world = World::start().await;
    let form = |extra: &[(&str, &str)]| {
        let mut request = Request::new("POST", "/chat")
            .header("Cookie", &format!("__Host-chat={}", world.a.chat))
            .header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in extra {
            request = request.header(name, value);
        }
        request.body = "question=%3Cscript%3Ealert(1)%3C/script%3E".to_owned();
        request
    };
    let answer = world.chatbot(form(&[("Sec-Fetch-Site", "same-origin")])).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("<script>") && answer.body.contains("&lt;script&gt;"));
    let own = format!("http://{}", world.chatbot);
    assert_eq!(world.chatbot(form(&[("Origin", &own)])).await.status, 200);
    for foreign in [
        &[][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")],
    ] {
        assert_eq!(world.chatbot(form(foreign)).await.status, 403, "{foreign:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_alone_open_sessions_and_read_answers() {
    let world = World::start().await;
    let open = |origin: &str, sent: Option<&str>| {
        let body = format!(r#"{{"tenant":"{}","bot":"main","origin":"{origin}"}}"#, world.a.domain);
        let request = Request::post("/v1/widget/session", &body);
        sent.map_or(request.clone(), |sent| request.header("Origin", sent))
    };
    let good = world.chatbot(open(&world.a.origin, Some(&world.a.origin))).await;
    assert_eq!(
        (good.status, good.header("access-control-allow-origin")),
        (200, Some(world.a.origin.as_str()))
    );
    assert_eq!((good.header("vary"), good.field("expires_in")), (Some("Origin"), "3600".to_owned()));
    assert!(good.header("access-control-allow-credentials").is_none());
    for (origin, sent) in [
        ("https://evil.example", None),
        (world.b.origin.as_str(), None),
        (world.a.origin.as_str(), Some("https://evil.example")),
        (world.a.origin.as_str(), Some("null")),
        ("https://www.a.example.evil.example", None),
        ("http://www.a.example", None),
    ] {
        let refused = world.chatbot(open(origin, sent)).await;
        assert_eq!(refused.status, 404, "{origin} {sent:?}");
        assert!(refused.header("access-control-allow-origin").is_none());
    }
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/v1/widget/message")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
    };
    let allowed = world.chatbot(preflight(&world.a.origin)).await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(world.a.origin.as_str()));
    for wrong in ["https://evil.example", "null", "*", "https://%.example", "https://www_a.example"] {
        let refused = world.chatbot(preflight(wrong)).await;
        assert!(refused.header("access-control-allow-origin").is_none(), "{wrong}");
        assert_eq!(refused.header("vary"), Some("Origin"));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_and_one_address_ask_and_open_so_often_and_no_more() {
    let world = World::start().await;
    let body = format!(r#"{{"session_id":"{}","text":"Hello"}}"#, world.a.widget.1);
    let message = Request::post("/v1/widget/message", &body).bearer(&world.a.widget.0);
    for _ in 0..30 {
        assert_eq!(world.chatbot(message.clone()).await.status, 200);
    }
    let refused = world.chatbot(message).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));

    let body = format!(r#"{{"tenant":"{}","origin":"{}"}}"#, world.a.domain, world.a.origin);
    // The world was made in this minute, with two sessions.
    world.advance(Duration::from_secs(60)).await;
    for _ in 0..30 {
        assert_eq!(world.chatbot(Request::post("/v1/widget/session", &body)).await.status, 200);
    }
    let refused = world.chatbot(Request::post("/v1/widget/session", &body)).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_slowed_down_and_takes_nothing_from_who_is_known() {
    let world = World::start().await;
    let (known, _) = world.temp(&world.a.domain_key, 1).await;
    assert_eq!(asked(&world, &known).await, 200);
    let guess = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
    for number in 0..300 {
        assert_eq!(asked(&world, &guess(number)).await, 401);
    }
    let refused = world.chatbot(ask(&guess(300))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert_eq!(asked(&world, &known).await, 200, "memory knows it");
    assert_eq!(asked(&world, &world.a.domain_key).await, 200);
    // A key that nobody issued is refused from memory: it is neither counted nor held up.
    assert_eq!(asked(&world, "an-old-key-that-nobody-issued").await, 401);
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(asked(&world, &guess(300)).await, 401);
    world.end().await;
}
