//! Linking a calendar in a real browser: from an account's own site by way of the provider to the Hub, and back. Where there
//! is no browser, that is said, or is a failure where `CONFORMANCE_REQUIRE` names `browser`.

use conformance::{
    browser::Browser,
    client::Request,
    linking::{ALICE, Demo, unlinked},
    servers::unless_missing,
};

async fn status(browser: &Browser, provider: &str) -> String {
    browser.text(&format!("#{provider} p:first-of-type strong")).await
}

async fn press(browser: &Browser, what: &str, provider: &str) {
    browser.send(&format!("form[action='/{what}/{provider}']")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_links_reads_and_unlinks_calendars_in_a_browser() {
    let Some(browser) = unless_missing("browser", Browser::start(false).await) else { return };
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let application = demo.application(&world).await;
    let home = format!("{}/", application.origin());
    for provider in ["google", "microsoft"] {
        browser.open(&home).await;
        assert_eq!(status(&browser, provider).await, "not linked");
        press(&browser, "link", provider).await;
        assert!(browser.address().await.starts_with(demo.provider().origin()), "{}", browser.address().await);
        browser.press("button[value='alice@example.com']").await;
        // Back at the site, at an address without code or state.
        assert_eq!(browser.address().await, home);
        assert_eq!(status(&browser, provider).await, "active");
        assert!(browser.source().await.contains(ALICE));
        press(&browser, "events", provider).await;
        assert!(browser.count("tbody tr, tr").await > 1, "{}", browser.source().await);
        browser.open(&home).await;
        press(&browser, "unlink", provider).await;
        assert_eq!(status(&browser, provider).await, "not linked");
    }
    // The cookie of the transaction is gone, and no script could ever read it.
    let cookies = browser.cookies().await;
    assert!(cookies.iter().all(|cookie| cookie["name"] != "__Host-oauth"), "{cookies:?}");
    assert_eq!(browser.complaints().await, [""; 0]);
    assert_eq!(demo.violations(), [""; 0]);
    browser.end().await;
    world.end().await;
}

/// Row E2, in browsers: what one began, another does not end.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_does_not_end_what_another_began() {
    let Some(victim) = unless_missing("browser", Browser::start(false).await) else { return };
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let application = demo.application(&world).await;
    // Somebody begins, and sends the provider's address to somebody else, who consents.
    let body = format!(r#"{{"user_id":"{}"}}"#, world.a.user_id);
    let begun = world.hub(Request::post("/oauth/google/authorize", &body).bearer(&world.a.hub_key)).await;
    victim.open(&begun.field("authorization_url")).await;
    victim.press("button[value='alice@example.com']").await;
    assert_eq!(victim.text("[role=alert]").await, "Begin again where you want to link the calendar.");
    let at = format!("http://localhost:{}/oauth/google/callback?", world.hub.port());
    assert!(victim.address().await.starts_with(&at), "{}", victim.address().await);
    assert_eq!(world.place.query("SELECT provider AS line FROM connections").await, [""; 0]);
    // Who declines is told so, and nothing is linked.
    victim.open(&format!("{}/", application.origin())).await;
    press(&victim, "link", "google").await;
    victim.press("button[name='decline']").await;
    assert!(victim.text("[role=alert]").await.starts_with("Not linked: "), "{}", victim.source().await);
    assert_eq!(world.place.query("SELECT provider AS line FROM connections").await, [""; 0]);
    assert_eq!(demo.exchanges(), 0);
    victim.end().await;
    world.end().await;
}
