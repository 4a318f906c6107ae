//! The page that asks for consent.

use crate::visitor::{ALICE, CALLBACK, Like, World, brought};
use demo_provider::Seen;

/// The id of the request that a page asks about.
fn request(page: &str) -> String {
    let begins = page.split("name=\"request\" value=\"").nth(1).unwrap();
    begins.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_sends_the_browser_back_with_a_code_once() {
    let world = World::start().await;
    for like in [Like::Google, Like::Microsoft] {
        let login = world.login(like);
        let page = world.get(&format!("{}?{}", world.path(like), login.query())).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' http://localhost:9999 http://localhost:*;"), "{policy}");
        assert!(page.text().contains("demo-client") && page.text().contains(ALICE));
        assert!(!page.text().contains("<script"));

        let id = request(&page.text());
        let decision = [("request", id.as_str()), ("account", ALICE)];
        let reply = world.post("/consent", &[], &decision).await;
        assert_eq!(reply.status, 303);
        let brought = brought(reply.header("location"));
        assert_eq!(brought["state"], login.parameters["state"]);
        assert_eq!(world.exchange(&login, &brought["code"]).await.status, 200);
        assert_eq!(world.post("/consent", &[], &decision).await.status, 400);
        assert!(matches!(world.provider.seen().pop(), Some(Seen::Violation(_))));
    }
}

#[tokio::test]
async fn whoever_declines_brings_back_an_error() {
    let world = World::start().await;
    let login = world.login(Like::Google);
    let page = world.get(&format!("{}?{}", world.path(Like::Google), login.query())).await.text();
    let reply = world.post("/consent", &[], &[("request", &request(&page)), ("decline", "1")]).await;
    let declined = brought(reply.header("location"));
    assert_eq!((declined["error"].as_str(), declined.get("code")), ("access_denied", None));
    assert_eq!(declined["iss"], world.provider.origin());

    let login = world.login(Like::Microsoft);
    let url = world.provider.decline(&world.url(&login)).unwrap();
    assert!(url.starts_with(CALLBACK));
    let declined = brought(&url);
    assert_eq!((declined["error"].as_str(), declined.get("iss")), ("access_denied", None));
    assert_eq!(declined["state"], login.parameters["state"]);
}

#[tokio::test]
async fn a_page_waits_for_ten_minutes_and_knows_its_accounts() {
    let world = World::start().await;
    for (seconds, account, status) in [(0, "nobody@example.com", 400), (599, ALICE, 303), (600, ALICE, 400)] {
        let login = world.login(Like::Google);
        let page = world.get(&format!("{}?{}", world.path(Like::Google), login.query())).await.text();
        world.clock.forward(seconds);
        let reply = world.post("/consent", &[], &[("request", &request(&page)), ("account", account)]).await;
        assert_eq!(reply.status, status, "{seconds} {account}");
    }
    assert!(world.provider.consent(&world.url(&world.login(Like::Google)), "nobody@example.com").is_err());
    assert!(world.provider.consent("http://localhost:1/o/oauth2/v2/auth", ALICE).is_err());
}
