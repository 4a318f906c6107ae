//! The login page, as a browser without script uses it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::{PAGE_LIFE, TotpSecret},
    policy::{Role, Rule},
    service::Service,
    time::Clock as _,
};
use auth_web::{Endpoint as _, Method, Place, Row, Service as _};
use chatbot_service::{
    Chatbot,
    settings::{People, Registration, Switch},
};
use conformance::{
    caller::{Kind, form, request},
    client::{Request, Response},
    place::changes,
    visitor::{HTML, Visitor, wrong},
    world::{PEOPLE, Person, World},
};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn location(answer: &Response) -> (u16, Option<&str>) {
    (answer.status, answer.header("location"))
}

fn code_at(world: &World, secret: &str) -> String {
    TotpSecret::parse(secret).unwrap().code(world.clock.now())
}

/// The text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// What the QR code of a page says, as a camera reads it.
fn scanned(page: &str) -> String {
    let size: usize = between(page, "viewBox=\"0 0 ", " ").parse().unwrap();
    let mut dark = vec![false; size * size];
    for module in between(page, "path d=\"", "\"").split("h1v1h-1z").filter(|module| !module.is_empty()) {
        let (x, y) = module.strip_prefix('M').unwrap().split_once(' ').unwrap();
        dark[y.parse::<usize>().unwrap() * size + x.parse::<usize>().unwrap()] = true;
    }
    const SCALE: usize = 4;
    let shade = |x: usize, y: usize| if dark[y / SCALE * size + x / SCALE] { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(size * SCALE, size * SCALE, shade);
    image.detect_grids()[0].decode().unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_the_whole_way_without_script() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let person = world.person("frank", "a", tenant, Role::Member).await;
    let mut browser = Visitor::new(&world);
    let form = browser.get("/login").await;
    for field in ["autocomplete=\"username\"", "autocomplete=\"current-password\"", "method=\"post\""] {
        assert!(form.body.contains(field), "{}", form.body);
    }
    assert_eq!(location(&browser.log_in(&person, None).await), (303, Some("/account")));
    let account = browser.get("/account").await;
    assert!(account.status == 200 && account.body.contains(&person.email), "{}", account.body);
    assert!(account.body.contains("None is set up.") && account.body.contains("this one"));
    assert!(account.body.contains(&format!("/account/sessions/{}/end", person.session)), "the other one");

    // An authenticator: its secret is shown once, as text and as a QR code that says the same.
    let shown = browser.post("/account/authenticator", "").await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    let secret = between(&shown.body, "<code id=\"secret\">", "</code>").to_owned();
    let uri = scanned(&shown.body);
    assert!(uri.starts_with("otpauth://totp/") && uri.contains(&format!("secret={secret}")), "{uri}");
    let wrong = browser.post("/account/authenticator/confirm", "code=000000").await;
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    assert!(
        wrong.body.contains("action=\"/account/authenticator/confirm\"") && !wrong.body.contains(&secret)
    );
    let (before, code) = (browser.session().unwrap(), code_at(&world, &secret));
    let confirmed = browser.post("/account/authenticator/confirm", &format!("code={code}")).await;
    assert_eq!(location(&confirmed), (303, Some("/account")));
    assert_ne!(browser.session(), Some(before.clone()), "another session");
    assert_eq!(Visitor::within(&world, &before).get("/account").await.status, 401, "and the old one is dead");
    assert!(browser.get("/account").await.body.contains("An authenticator is set up."));

    let drawn = browser.post("/account/recovery-codes", "").await;
    let recovery: Vec<_> =
        drawn.body.split("<li><code>").skip(1).map(|rest| &rest[..rest.find('<').unwrap()]).collect();
    assert_eq!((drawn.status, recovery.len()), (200, 10), "{}", drawn.body);
    let live = browser.session().unwrap();
    assert_eq!(location(&browser.post("/logout", "").await), (303, Some("/login")));
    assert_eq!(browser.session(), None);
    assert_eq!(Visitor::within(&world, &live).get("/account").await.status, 401);
    let gone = browser.get("/account").await;
    assert!(gone.status == 401 && gone.body.contains("action=\"/login\""), "{}", gone.body);

    // With both factors; a wrong code leaves the login as it was.
    world.advance(MINUTE).await;
    let wrong = browser.log_in(&person, Some("000000")).await;
    assert!(wrong.status == 401 && wrong.body.contains("action=\"/login/factor\""), "{}", wrong.body);
    assert_eq!(browser.session(), None, "half of a login is no session");
    let code = code_at(&world, &secret);
    let right = browser.post("/login/factor", &format!("code={code}")).await;
    assert_eq!((location(&right), browser.count()), ((303, Some("/account")), 1), "no login waits any more");
    assert_eq!(browser.get("/account").await.status, 200);

    // A recovery code is good once.
    for (expected, at) in [(303, 0), (401, 0), (303, 1)] {
        let mut other = Visitor::new(&world);
        assert_eq!(location(&other.log_in(&person, None).await), (303, Some("/login/factor")));
        let answer = other.post("/login/factor", &format!("recovery_code={}", recovery[at])).await;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }

    // Removing it takes a proof of now, which a form asks for.
    world.advance(16 * MINUTE).await;
    let stale = browser.post("/account/authenticator/remove", "").await;
    assert!(stale.status == 401 && stale.body.contains("action=\"/account/proof\""), "{}", stale.body);
    let (before, code) = (browser.session().unwrap(), code_at(&world, &secret));
    assert_eq!(browser.post("/account/proof", "code=000000").await.status, 400);
    let proved = browser.post("/account/proof", &format!("code={code}")).await;
    assert_eq!(location(&proved), (303, Some("/account")));
    assert_eq!(Visitor::within(&world, &before).get("/account").await.status, 401, "in place of the old one");
    let removed = browser.post("/account/authenticator/remove", "").await;
    assert_eq!((location(&removed), browser.session()), ((303, Some("/login")), None));
    assert_eq!(
        location(&browser.log_in(&person, None).await),
        (303, Some("/account")),
        "by the password alone"
    );

    // Another password ends all sessions: whoever has a copy of this page's cookie, too.
    let mut other = Visitor::new(&world);
    other.log_in(&person, None).await;
    let refused =
        browser.post("/account/password", "current_password=wrong&new_password=quietly violet tapirs").await;
    assert!(
        refused.status == 400 && refused.body.contains("action=\"/account/password\""),
        "{}",
        refused.body
    );
    let fields = format!("current_password={}&new_password=quietly violet tapirs", person.password);
    let mut copy = Visitor::within(&world, &browser.session().unwrap());
    assert_eq!(copy.get("/account").await.status, 200);
    assert_eq!(location(&browser.post("/account/password", &fields).await), (303, Some("/login")));
    assert_eq!(browser.session(), None);
    assert_eq!((copy.get("/account").await.status, other.get("/account").await.status), (401, 401));
    world.end().await;
}

/// Rows C4 and C13: the page and the route that does the same are counted together.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_tries_sixty_times_a_minute_in_whichever_way() {
    let world = World::start().await;
    let mut tried = 0;
    for number in 0..=60 {
        let email = format!("n{number}@sixty.example");
        let (name, password) = ("N", "violet tapir quietly");
        let status = if number % 2 == 0 {
            let body = json!({ "email": email, "name": name, "password": password }).to_string();
            world.chatbot(Request::post("/auth/register", &body)).await.status
        } else {
            let fields = format!("email={email}&name={name}&password={password}&domain=");
            Visitor::new(&world).post("/register", &fields).await.status
        };
        if status == 429 {
            break;
        }
        assert!(status < 300, "{number}: {status}");
        tried += 1;
    }
    assert!(tried <= 60, "{tried}");
    let refused =
        Visitor::new(&world).post("/register", "email=x@sixty.example&name=N&password=x&domain=").await;
    assert_eq!(refused.status, 429, "and so is the page");
}

/// Rows B20 and G14: nobody is led into a session that somebody else knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_another_session_and_ends_the_one_before_it_whosever_that_was() {
    let world = World::start().await;
    let (mine, theirs) = (&world.a.person, &world.b.person);
    let mut browser = Visitor::within(&world, &theirs.page);
    let planted = browser.session().unwrap();
    assert_eq!(browser.get("/account").await.status, 200);
    let trail = world.stores.audit.head().await.unwrap().seq;
    browser.log_in(mine, None).await;
    assert_ne!(browser.session(), Some(planted.clone()));
    assert!(browser.get("/account").await.body.contains(&mine.email));
    assert_eq!(Visitor::within(&world, &planted).get("/account").await.status, 401);
    let me = world.chatbot(Request::get("/auth/me").bearer(&theirs.access)).await;
    assert_eq!(me.status, 401, "its tokens have ended, too");
    // Whoever logged in ended it, and the trail says so.
    let rows = world.dump().await;
    let end = rows.iter().find(|row| row.contains("person.session_ended") && row.contains(&theirs.session));
    assert!(end.unwrap().contains(&format!("person:{}", mine.id)), "{end:?}");
    let events: Vec<_> = world.audited_since(trail).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(events, ["person.logged_in", "person.session_ended"]);
    // What is no cookie of ours is no reason to fail, and is no session afterwards.
    let mut browser = Visitor::within(&world, "avs_made-up");
    assert_eq!(location(&browser.log_in(mine, None).await), (303, Some("/account")));
    assert_ne!(browser.session().unwrap(), "avs_made-up");
    // A login that fails ends nothing.
    let mut browser = Visitor::within(&world, &world.b.strong.page);
    assert_eq!(browser.post("/login", &format!("email={}&password=wrong", mine.email)).await.status, 401);
    assert_eq!(browser.get("/account").await.status, 200);
    world.end().await;
}

fn page_rows() -> impl Iterator<Item = &'static Row<Chatbot>> {
    Chatbot::TABLE.rows().iter().filter(|row| row.spec.is_page)
}

/// The example of a row, with the cookie of whoever it takes.
fn example(world: &World, row: &Row<Chatbot>) -> Request {
    let kind = Kind::of_row(row).first().copied();
    request(row, &world.a, kind.map(|kind| kind.of(&world.a, Service::Chatbot)).as_deref())
}

/// Row G13, with logins and logouts.
#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_taken_from_another_page() {
    let world = World::start().await;
    let (before, own) = (world.dump().await, format!("http://{}", world.chatbot));
    let elsewhere: &[&[(&str, &str)]] = &[
        &[],
        &[("Origin", "null")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")],
        &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", &own), ("Sec-Fetch-Site", "same-site")],
        &[("Origin", &own), ("Sec-Fetch-Site", "none")],
        &[("Origin", &own), ("Origin", "https://evil.example")],
        &[("Referer", &own)],
    ];
    let mut tried = 0;
    for row in page_rows().filter(|row| row.spec.method == Method::Post) {
        for headers in elsewhere {
            let mut sent = example(&world, row);
            sent.headers.retain(|(name, _)| name != "Sec-Fetch-Site");
            sent = headers.iter().fold(sent, |sent, (name, value)| sent.header(name, value));
            let answer = world.chatbot(sent.clone()).await;
            let told = (answer.status, answer.field("code"));
            assert_eq!(told, (403, "foreign_page".to_owned()), "{} {headers:?}", row.spec.id);
            assert_eq!(answer.header("set-cookie"), None);
            let page = world.chatbot(sent.header("Accept", HTML)).await;
            assert_eq!((page.status, wrong(&page)), (403, Vec::new()), "{}", page.body);
            tried += 1;
        }
    }
    assert_eq!(tried, 16 * elsewhere.len());
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

/// Rows A18 and B15: the cookie is a credential of the pages alone, and no other credential is one there.
#[tokio::test(flavor = "multi_thread")]
async fn a_pages_cookie_opens_no_other_route_and_no_other_credential_a_page() {
    let world = World::start().await;
    let (person, before) = (&world.a.strong, world.dump().await);
    let guarded = || Chatbot::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_)));
    let others = [
        &person.access,
        &person.refresh,
        &person.pending,
        &world.a.domain_key,
        &world.a.temp.0,
        &world.a.chat,
    ];
    for row in guarded() {
        let is_page = matches!(row.spec.place, Place::Page(_));
        let id = row.spec.id;
        if is_page {
            for other in others {
                assert_eq!(world.chatbot(request(row, &world.a, Some(other))).await.status, 401, "{id}");
                // In a header, it is one credential too many, with a cookie and without.
                for sent in [example(&world, row), request(row, &world.a, None)] {
                    assert_eq!(world.chatbot(sent.bearer(other)).await.status, 400, "{id}");
                }
            }
            continue;
        }
        let bare = || request(row, &world.a, None);
        assert_eq!(world.chatbot(request(row, &world.a, Some(&person.page))).await.status, 401, "{id}");
        let beside = bare().header("Cookie", &format!("__Host-session={}", person.page));
        assert_eq!(world.chatbot(beside).await.status, 401, "{id}");
        if row.spec.place == Place::Header {
            assert_eq!(world.chatbot(bare().header("X-API-Key", &person.page)).await.status, 401, "{id}");
        }
    }
    let post =
        async |path: &str, body: Value| world.chatbot(Request::post(path, &body.to_string())).await.status;
    assert_eq!(post("/auth/refresh", json!({ "refresh_token": person.page })).await, 401);
    assert_eq!(post("/auth/mfa/verify", json!({ "mfa_token": person.page, "code": person.code })).await, 401);
    let revoked = world.chatbot(form("/auth/revoke", &format!("token={}", person.page))).await;
    assert_eq!(revoked.status, 200, "what is no token is as it should be");
    let asked =
        form("/auth/introspect", &format!("token={}", person.page)).bearer(&world.a.introspection_key);
    assert_eq!(world.chatbot(asked).await.json(), json!({ "active": false }));
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    assert_eq!(Visitor::within(&world, &person.page).get("/account").await.status, 200);
    world.end().await;
}

/// Row B19: a page ends with its session, at once, whatever ends that.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_session_ends_its_page() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let admin = world.log_in_strongly(&world.a.admin).await.access;
    let person = world.log_in(&world.a).await;
    let ended = async |what: &str, page: &str, request: Request| {
        let mut browser = Visitor::within(&world, page);
        assert_eq!(browser.get("/account").await.status, 200, "{what}");
        let done = world.chatbot(request).await;
        assert!(done.status < 400, "{what}: {}", done.body);
        assert_eq!(browser.get("/account").await.status, 401, "{what}");
    };
    let json = |method: &str, path: &str, access: &str, body: Value| {
        Request::new(method, path).json(&body.to_string()).bearer(access)
    };
    ended("logout", &person.page, Request::new("POST", "/auth/logout").bearer(&person.access)).await;
    let (one, two) = (world.log_in(&world.a).await, world.log_in(&world.a).await);
    let end = format!("/auth/sessions/{}", one.session);
    ended("from another session", &one.page, Request::new("DELETE", &end).bearer(&two.access)).await;
    let revoke = form("/auth/revoke", &format!("token={}", two.refresh));
    ended("a revoked token", &two.page, revoke).await;
    let (one, two) = (world.log_in(&world.a).await, world.log_in(&world.a).await);
    let another = json!({ "current_password": one.password, "new_password": "quietly violet tapirs" });
    ended("another password", &one.page, json("POST", "/auth/password/change", &two.access, another)).await;
    ended("everywhere", &two.page, Request::new("POST", "/auth/logout-all").bearer(&two.access)).await;
    let user = format!("/users/{}", world.a.strong.id);
    let strong = world.log_in_strongly(&world.a.strong).await;
    let suspend = json("PATCH", &user, &admin, json!({ "status": "suspended" }));
    ended("suspended", &strong.page, suspend).await;
    let other = world.person("grace", "a", tenant, Role::Member).await;
    let owner = world.log_in_strongly(&world.a.owner).await;
    let role = format!("/domains/{}/members/{}/role", world.a.domain, other.id);
    let change = json("PUT", &role, &owner.access, json!({ "role": "is_admin" }));
    ended("another role", &other.page, change).await;

    // From the page, for all others.
    let mut browser = Visitor::within(&world, &owner.page);
    let shown = Request::get("/auth/me").bearer(&owner.access);
    assert_eq!(world.chatbot(shown.clone()).await.status, 200);
    assert_eq!(location(&browser.post("/account/sessions/end", "").await), (303, Some("/login")));
    assert_eq!(world.chatbot(shown).await.status, 401);
    assert_eq!(browser.session(), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_lasts_eight_hours_to_the_millisecond() {
    let world = World::start().await;
    let person = world.log_in(&world.a).await;
    let mut browser = Visitor::new(&world);
    let entered = browser.log_in(&person, None).await;
    let line = entered.header("set-cookie").unwrap();
    assert!(line.contains(&format!("Max-Age={}", PAGE_LIFE.as_secs())), "{line}");
    world.advance(PAGE_LIFE - Duration::from_millis(1)).await;
    assert_eq!(browser.get("/account").await.status, 200);
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(browser.get("/account").await.status, 401);
    world.end().await;
}

/// What is text on a page is text, whoever wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_anybodys_is_markup() {
    let world = World::start().await;
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;";
    let password = "violet tapir quietly";
    let body = json!({ "email": "mallory@a.example", "password": password, "name": hostile });
    assert_eq!(world.chatbot(Request::post("/auth/register", &body.to_string())).await.status, 202);
    let person =
        Person { email: "mallory@a.example".to_owned(), password: password.to_owned(), ..Person::default() };
    let mut browser = Visitor::new(&world);
    browser.log_in(&person, None).await;
    let account = browser.get("/account").await;
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;";
    assert!(account.body.contains(shown), "{}", account.body);
    // Nor what is sent, in values, in names of fields, in paths and in cookies.
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E";
    let mut answers = Vec::new();
    for (path, fields) in [
        ("/login", format!("email={encoded}&password={encoded}&domain={encoded}")),
        ("/login", format!("email={encoded}&password={encoded}")),
        ("/login", format!("{encoded}={encoded}")),
        ("/login/factor", format!("code={encoded}")),
        ("/login/factor", format!("{encoded}=1")),
        ("/account/proof", format!("code={encoded}")),
        ("/account/password", format!("{encoded}=1")),
        ("/account/password", format!("current_password={encoded}&new_password={encoded}")),
        ("/account/authenticator/confirm", format!("code={encoded}")),
        ("/account/authenticator/confirm", format!("{encoded}=")),
        ("/login/factor", format!("webauthn={encoded}")),
        ("/login/factor", format!("webauthn=%22{encoded}%22")),
        ("/account/proof", format!("webauthn={{%22id%22:%22{encoded}%22}}")),
        ("/account/passkeys/confirm", format!("name={encoded}&credential=%22{encoded}%22")),
    ] {
        answers.push(browser.post(path, &fields).await);
    }
    // The name of the person stands in what a browser is asked for.
    let asks = browser.post("/account/passkeys", "").await;
    assert!(asks.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", asks.body);
    answers.push(browser.post(&format!("/account/sessions/{encoded}/end"), "").await);
    answers.push(Visitor::within(&world, hostile).get("/account").await);
    for answer in answers {
        assert!(answer.status >= 400, "{}", answer.body);
        let shown = answer.body.replace("&lt;script&gt;", "");
        assert!(!shown.contains("<script") && !shown.contains("<img"), "{}", answer.body);
    }
    world.end().await;
}

/// Row C3: the page tells a stranger what the route for programs does, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_no_more_from_the_page() {
    let world = World::start().await;
    let admin = world.log_in_strongly(&world.a.admin).await.access;
    let gone = world.register("ivan", "a", None).await;
    let suspend = Request::new("PATCH", &format!("/users/{}", gone.id)).json(r#"{"status":"suspended"}"#);
    assert_eq!(world.chatbot(suspend.bearer(&admin)).await.status, 200);
    let mut told = Vec::new();
    for (email, password) in [
        ("nobody@a.example", "violet tapir a quietly"),
        (&world.a.person.email, "another password"),
        (&gone.email, &gone.password),
        ("no address", "x"),
    ] {
        let answer = Visitor::new(&world).post("/login", &format!("email={email}&password={password}")).await;
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
        told.push((answer.status, headers, answer.body));
    }
    assert_eq!(told[0].0, 401);
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:#?}");
    // And waits as there.
    let mut browser = Visitor::new(&world);
    for _ in 0..5 {
        browser.post("/login", &format!("email={}&password=wrong", world.a.strong.email)).await;
    }
    let waits = browser.post("/login", &format!("email={}&password=wrong", world.a.strong.email)).await;
    assert!(waits.status == 429 && waits.header("retry-after").is_some(), "{}", waits.body);
    assert!(waits.body.contains("Try again in "), "{}", waits.body);
    let login = json!({ "email": world.a.strong.email, "password": world.a.strong.password });
    let program = world.chatbot(Request::post("/auth/login", &login.to_string())).await;
    assert_eq!(program.status, 429, "they are counted together");
    world.end().await;
}

/// Every page, to everybody: in its form, and with nothing secret in its address.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_protected_whoever_asks() {
    let world = World::start().await;
    let mut shown = 0;
    for row in page_rows() {
        let kind = Kind::of_row(row).first().copied();
        let strangers = [None, Some("x".to_owned()), kind.map(|kind| kind.of(&world.b, Service::Chatbot))];
        for credential in strangers {
            let sent = request(row, &world.a, credential.as_deref()).header("Accept", HTML);
            assert!(!sent.target.contains('?') && !sent.target.contains("av"), "{}", sent.target);
            let answer = world.chatbot(sent).await;
            assert_eq!(wrong(&answer), [""; 0], "{} {answer:?}", row.spec.id);
            let own = [&world.a.person.email, &world.a.person.page, &world.a.strong.page];
            assert!(!own.iter().any(|own| answer.body.contains(own.as_str())), "{}", answer.body);
            shown += 1;
        }
    }
    assert_eq!(shown, 22 * 3);
    // To programs a refusal is a problem, as at every route.
    let refused = world.chatbot(Request::get("/account")).await;
    assert_eq!((refused.status, refused.field("code")), (401, "unauthenticated".to_owned()));
    // Two cookies of one name are nobody's.
    let twice = format!("__Host-session={0}; __Host-session={0}", world.a.person.page);
    assert_eq!(world.chatbot(Request::get("/account").header("Cookie", &twice)).await.status, 400);
    let waiting = form("/login/factor", "code=000000").header("Sec-Fetch-Site", "same-origin");
    let twice = format!("__Host-login={0}; __Host-login={0}", world.a.strong.pending);
    assert_eq!(world.chatbot(waiting.header("Cookie", &twice)).await.status, 400);
    assert_eq!(chatbot_service::page::Account::SPEC.place, Place::Page("__Host-session"));
    world.end().await;
}

/// Where letters are not sent, there is no page that asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_log_in_finds_what_the_operator_has_switched_on() {
    let world = World::start().await;
    let mut browser = Visitor::new(&world);
    let links = ["href=\"/register\"", "href=\"/forgotten\""];
    let form = browser.get("/login").await.body;
    assert!(links.iter().all(|link| form.contains(link)), "{form}");
    assert_eq!((browser.get("/register").await.status, browser.get("/forgotten").await.status), (200, 200));
    let wrong = browser.post("/register", "email=judy@a.example&name=Judy&password=short&domain=").await;
    assert!(wrong.status == 400 && wrong.body.contains("action=\"/register\""), "{}", wrong.body);
    let fields = "email=judy@a.example&name=Judy&password=violet tapir quietly&domain=";
    let (made, again) = (browser.post("/register", fields).await, browser.post("/register", fields).await);
    assert_eq!((made.status, &made.body), (200, &again.body), "the same of an address that is taken");
    let judy = Person {
        email: "judy@a.example".to_owned(),
        password: "violet tapir quietly".to_owned(),
        ..Person::default()
    };
    assert_eq!(location(&browser.log_in(&judy, None).await), (303, Some("/account")));
    let (known, unknown) = (
        browser.post("/forgotten", "email=judy@a.example").await,
        browser.post("/forgotten", "email=nobody@a.example").await,
    );
    assert_eq!((known.status, known.body), (200, unknown.body));
    world.mailbox.awaited("judy@a.example", 1).await;
    world.end().await;

    let people = People { registration: Registration::Open, password_reset: Switch::Off, ..PEOPLE };
    let world = World::start_for(people).await;
    let mut browser = Visitor::new(&world);
    assert!(!browser.get("/login").await.body.contains(links[1]));
    for sent in [browser.get("/forgotten").await, browser.post("/forgotten", "email=judy@a.example").await] {
        assert_eq!(sent.status, 404);
    }
    world.end().await;
}

/// Who administers something is led to a second factor before they do.
#[tokio::test(flavor = "multi_thread")]
async fn who_must_have_a_second_factor_is_led_to_one() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    let owner = world.person("henry", "a", tenant, Role::DomainOwner).await;
    let mut browser = Visitor::new(&world);
    assert_eq!(location(&browser.log_in(&owner, None).await), (303, Some("/account")));
    let account = browser.get("/account").await;
    assert!(account.body.contains("takes a second factor") && account.body.contains("role=\"alert\""));
    // What takes one leads there; an old login leads to another one.
    let refused = browser.post("/account/recovery-codes", "").await;
    assert!(refused.status == 401 && refused.body.contains("href=\"/account\""), "{}", refused.body);
    world.advance(16 * MINUTE).await;
    let old = browser.post("/account/authenticator", "").await;
    assert!(old.status == 401 && old.body.contains("action=\"/login\""), "{}", old.body);
    let member = Visitor::within(&world, &world.log_in(&world.a).await.page).get("/account").await;
    assert!(!member.body.contains("role=\"alert\""), "a member needs none");
    world.end().await;
}
