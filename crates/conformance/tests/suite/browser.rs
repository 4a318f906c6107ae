//! The login page in a real browser. Where there is none, that is said, or is a failure where `CONFORMANCE_REQUIRE`
//! names `browser`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{credential::TotpSecret, policy::Role, service::Service, time::Clock as _};
use conformance::{
    browser::Browser,
    client::Request,
    servers::unless_missing,
    world::{Person, World},
};
use std::time::Duration;

/// Where the pages are, as a browser has it: a host for which it takes cookies that are for TLS alone.
fn at(world: &World, path: &str) -> String {
    format!("http://localhost:{}{path}", world.chatbot.port())
}

async fn log_in(browser: &Browser, world: &World, person: &Person) {
    browser.open(&at(world, "/login")).await;
    browser.fill("#email", &person.email).await;
    browser.fill("#password", &person.password).await;
    browser.send("form[action='/login']").await;
}

/// Whether pages of this browser run script.
async fn runs_script(browser: &Browser) -> bool {
    browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>").await;
    browser.title().await == "on"
}

fn code(world: &World, secret: &str) -> String {
    TotpSecret::parse(secret).unwrap().code(world.clock.now())
}

/// The value of the cookie of the page, which no script could read.
async fn session(browser: &Browser) -> String {
    let cookies = browser.cookies().await;
    let cookie = cookies.iter().find(|cookie| cookie["name"] == "__Host-session").unwrap();
    let is = [&cookie["httpOnly"], &cookie["secure"], &cookie["sameSite"], &cookie["path"]];
    assert_eq!(is, [&true.into(), &true.into(), &"Strict".into(), &serde_json::Value::from("/")]);
    cookie["value"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_the_whole_way_in_a_browser_without_script() {
    let Some(browser) = unless_missing("browser", Browser::start(false).await) else { return };
    assert!(!runs_script(&browser).await);
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let person = world.person("frank", "a", tenant, Role::Member).await;

    // A wrong password, and the right one.
    let wrong = Person { password: "another password".to_owned(), ..person.clone() };
    log_in(&browser, &world, &wrong).await;
    assert_eq!((browser.title().await.as_str(), browser.address().await), ("Log in", at(&world, "/login")));
    assert_eq!(browser.text("[role=alert]").await, "Nobody logs in with this address and password.");
    // That a page was answered 401 is what a browser says of any.
    let told = browser.complaints().await;
    assert!(told.iter().all(|line| line.contains("401 (Unauthorized)")), "{told:?}");
    log_in(&browser, &world, &person).await;
    assert_eq!(browser.address().await, at(&world, "/account"));
    assert!(browser.source().await.contains(&person.email));

    // An authenticator, by what the page shows.
    browser.send("form[action='/account/authenticator']").await;
    assert_eq!(browser.count("svg path").await, 1, "the QR code");
    let secret = browser.text("#secret").await;
    browser.fill("#code", &code(&world, &secret)).await;
    browser.send("form[action='/account/authenticator/confirm']").await;
    assert_eq!(browser.address().await, at(&world, "/account"));
    browser.send("form[action='/account/recovery-codes']").await;
    assert_eq!(browser.count("li code").await, 10);
    // A passkey takes script, and that is said.
    browser.open(&at(&world, "/account")).await;
    browser.send("form[action='/account/passkeys']").await;
    let seen = browser.text("main").await;
    assert!(seen.contains("takes a browser that knows them") && !seen.contains("Set it up"), "{seen}");
    browser.open(&at(&world, "/account")).await;
    let ended = session(&browser).await;
    browser.send("form[action='/logout']").await;
    assert_eq!((browser.address().await, browser.cookies().await.len()), (at(&world, "/login"), 0));
    let shown = async |page: &str| {
        let account = Request::get("/account").header("Cookie", &format!("__Host-session={page}"));
        world.chatbot(account).await.status
    };
    assert_eq!(shown(&ended).await, 401);

    // With the code, once its time has come.
    world.advance(Duration::from_secs(60)).await;
    log_in(&browser, &world, &person).await;
    assert_eq!(browser.address().await, at(&world, "/login/factor"));
    browser.fill("#code", &code(&world, &secret)).await;
    browser.send("form:has(#code)").await;
    assert_eq!(browser.address().await, at(&world, "/account"));
    assert_ne!(session(&browser).await, ended);

    // Another session, which the page ends.
    let other = world.log_in_strongly(&Person { totp: secret, ..person.clone() }).await;
    let me = Request::get("/auth/me").bearer(&other.access);
    assert_eq!(world.chatbot(me.clone()).await.status, 200);
    browser.open(&at(&world, "/account")).await;
    assert_eq!(browser.count("table tr").await, 3, "a head, and two sessions");
    browser.send(&format!("form[action='/account/sessions/{}/end']", other.session)).await;
    assert_eq!(browser.count("table tr").await, 2);
    assert_eq!(world.chatbot(me).await.status, 401);
    assert_eq!(browser.complaints().await, [""; 0], "nothing breaks the policy");
    browser.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_set_up_and_shown_in_a_browser() {
    let Some(browser) = unless_missing("browser", Browser::start(true).await) else { return };
    browser.with_authenticator().await;
    let world = World::start_for_browsers().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let person = world.person("frank", "a", tenant, Role::Member).await;
    log_in(&browser, &world, &person).await;
    browser.send("form[action='/account/passkeys']").await;
    assert_eq!(browser.title().await, "Set up a passkey");
    assert!(!browser.text("main").await.contains("takes a browser that knows them"));
    browser.fill("#name", "A laptop").await;
    browser.send("form[data-ceremony='create']").await;
    assert_eq!(browser.address().await, at(&world, "/account"), "{}", browser.source().await);
    assert!(browser.text("main").await.contains("A laptop"));
    let me = Request::get("/auth/me").bearer(&person.access);
    assert_eq!(world.chatbot(me).await.status, 401, "all other sessions have ended");

    // The same authenticator makes no second one.
    browser.send("form[action='/account/passkeys']").await;
    browser.fill("#name", "Once more").await;
    browser.click("form[data-ceremony='create']").await;
    assert!(browser.until_told("[role=status]").await.starts_with("No passkey came of it"));

    // It is asked for at the next login, and leads in.
    browser.open(&at(&world, "/account")).await;
    browser.send("form[action='/logout']").await;
    log_in(&browser, &world, &person).await;
    assert_eq!(browser.address().await, at(&world, "/login/factor"));
    browser.send("form[data-ceremony='get']").await;
    assert_eq!(browser.address().await, at(&world, "/account"), "{}", browser.source().await);

    // It proves its person anew, and is removed.
    let before = session(&browser).await;
    world.advance(Duration::from_secs(16 * 60)).await;
    browser.send("form[action$='/remove']").await;
    assert_eq!(browser.title().await, "Your second factor");
    browser.open(&at(&world, "/account/proof")).await;
    browser.send("form[data-ceremony='get']").await;
    assert_eq!(browser.address().await, at(&world, "/account"));
    assert_ne!(session(&browser).await, before);
    browser.send("form[action$='/remove']").await;
    assert_eq!(browser.address().await, at(&world, "/login"));
    log_in(&browser, &world, &person).await;
    assert_eq!(browser.address().await, at(&world, "/account"), "by the password alone");
    assert!(browser.text("main").await.contains("None is set up."));
    // But for the page that asked for the proof, which is 401.
    let told = browser.complaints().await;
    assert!(told.iter().all(|line| line.contains("401 (Unauthorized)")), "{told:?}");
    browser.end().await;
    world.end().await;
}

/// Row G13, as browsers see to it: what another site's page sends, here by itself, comes without the cookie and is refused.
#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_logs_nobody_in_or_out() {
    let Some(browser) = unless_missing("browser", Browser::start(true).await) else { return };
    assert!(runs_script(&browser).await);
    let world = World::start().await;
    let person = world.log_in(&world.a).await;
    log_in(&browser, &world, &person).await;
    let page = session(&browser).await;
    for (action, fields) in [
        ("/logout", String::new()),
        ("/account/sessions/end", String::new()),
        (
            "/login",
            format!(
                "<input name=email value='{}'><input name=password value='{}'>",
                world.b.person.email, world.b.person.password
            ),
        ),
    ] {
        let form = format!(
            "<main><form method=post action='{}'>{fields}<button>Go</button></form></main>",
            at(&world, action)
        );
        browser.open(&format!("data:text/html,{form}")).await;
        browser.send("form").await;
        assert_eq!(browser.address().await, at(&world, action));
        assert!(browser.count("[role=alert]").await == 1, "{}", browser.source().await);
        browser.open(&at(&world, "/account")).await;
        assert_eq!(session(&browser).await, page, "{action}: as before");
        assert!(browser.source().await.contains(&person.email));
    }
    // Nor does any page frame it.
    for (framed, forms) in [("data:text/html,<form></form>".to_owned(), 1), (at(&world, "/login"), 0)] {
        browser.open(&format!("data:text/html,<iframe src='{framed}'></iframe>")).await;
        browser.enter_frame().await;
        assert_eq!(browser.count("form").await, forms, "{framed}: {}", browser.source().await);
    }
    browser.end().await;
    world.end().await;
}
