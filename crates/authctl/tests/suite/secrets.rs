//! Secrets of people: none is logged, and none lies in a file but the one that is made to hold the first of them. And
//! whoever nobody asked for is not let in.

use crate::program::{Folder, Up, read_json, text};
use auth_core::{credential::TotpSecret, time::Clock as _};
use auth_web::system::SystemClock;
use conformance::{
    caller::form,
    client::{Request, Response},
    hidden::Hidden,
    world::until,
};
use serde_json::{Value, json};

const CAROL: &str = "carol@example.com";
const PASSWORD: &str = "quietly violet tapirs";
/// How a letter is logged where nobody carries it: whoever reads the log of a development run is to find its token.
const LETTER: &str = "a letter of a development run";

async fn post(up: &Up, path: &str, body: &Value, access: Option<&str>) -> Response {
    let request = Request::post(path, &body.to_string());
    let answer = up.chatbot(access.map_or(request.clone(), |access| request.bearer(access))).await;
    assert!(answer.status < 300, "{path}: {}", answer.body);
    answer
}

/// Sends a form of the page; the cookie that is set.
async fn enter(up: &Up, path: &str, fields: &str, cookie: &str) -> String {
    let sent = form(path, fields).header("Sec-Fetch-Site", "same-origin").header("Cookie", cookie);
    let answer = up.chatbot(sent).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.body);
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let mut values = set.filter_map(|(_, set)| set.split(['=', ';']).nth(1)).filter(|value| value.len() > 16);
    values.next().unwrap().to_owned()
}

/// How many of the secrets of the first super admin are one of each kind.
const KINDS: usize = 9;

/// What the first super admin is given and shows: their password and secret, tokens, a challenge, cookies and a code; then
/// more of those.
async fn of_admin(up: &Up, folder: &Folder) -> Vec<String> {
    let admin = read_json(&folder.data().join("bootstrap.json"))["admin"].clone();
    let [email, password, totp] = ["email", "password", "totp_secret"].map(|name| text(&admin, name));
    let credentials = json!({ "email": email, "password": password });
    let pending = post(up, "/auth/login", &credentials, None).await.field("mfa_token");
    let code = TotpSecret::parse(&totp).unwrap().code(SystemClock::start().now());
    let shown = json!({ "mfa_token": pending, "code": code });
    let begun = post(up, "/auth/mfa/verify", &shown, None).await;
    let (mut last, mut others) = (begun, Vec::new());
    for _ in 0..3 {
        others.extend([last.field("access_token"), last.field("refresh_token")]);
        let body = json!({ "refresh_token": last.field("refresh_token") });
        last = post(up, "/auth/refresh", &body, None).await;
    }
    let access = last.field("access_token");
    let drawn = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&access);
    let drawn = up.chatbot(drawn).await.json()["recovery_codes"].as_array().unwrap().clone();
    let mut codes = drawn.iter().map(|code| code.as_str().unwrap().to_owned());
    let [code, used] = [codes.next().unwrap(), codes.next().unwrap()];
    let start = Request::new("POST", "/auth/mfa/webauthn/register/start").bearer(&access);
    let challenge = up.chatbot(start).await.field("challenge");
    let fields = format!("email={email}&password={password}&domain=");
    let waits = enter(up, "/login", &fields, "a=b").await;
    let fields = format!("recovery_code={used}");
    let page = enter(up, "/login/factor", &fields, &format!("__Host-login={waits}")).await;
    let each: [_; KINDS] =
        [password, totp, pending, access, last.field("refresh_token"), challenge, waits, page, code];
    each.into_iter().chain(others).chain(codes).chain([used]).collect()
}

/// What somebody is given who registers, enrols an authenticator and forgets their password.
async fn of_newcomer(up: &Up, log: &str) -> Vec<String> {
    let body = json!({ "email": CAROL, "password": PASSWORD, "name": "Carol" });
    post(up, "/auth/register", &body, None).await;
    let begun = post(up, "/auth/login", &json!({ "email": CAROL, "password": PASSWORD }), None).await;
    let (access, refresh) = (begun.field("access_token"), begun.field("refresh_token"));
    let enroll = Request::new("POST", "/auth/mfa/totp/enroll").bearer(&access);
    let totp = up.chatbot(enroll).await.field("secret");
    post(up, "/auth/password/forgot", &json!({ "email": CAROL }), None).await;
    let letter = || {
        let logged = std::fs::read_to_string(log).unwrap();
        let letter = logged.lines().find(|line| line.contains(LETTER))?;
        let (_, token) = letter.split_once("avv_")?;
        let length = token.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
        Some(format!("avv_{}", token.get(..length)?))
    };
    until("a letter is logged", || letter().is_some()).await;
    let (token, new) = (letter().unwrap(), "three quiet walruses");
    post(up, "/auth/password/reset", &json!({ "token": token, "password": new }), None).await;
    vec![PASSWORD.to_owned(), access, refresh, totp, token, new.to_owned()]
}

/// Sends a secret wherever somebody may put it.
async fn misplace(up: &Up, secret: &str) {
    up.chatbot(Request::get("/auth/me").bearer(secret).header("X-Request-Id", secret)).await;
    up.hub(Request::get("/calls").header("X-API-Key", secret)).await;
    up.chatbot(Request::get("/account").header("Cookie", &format!("__Host-session={secret}"))).await;
    let written = secret.replace(' ', "%20");
    for path in
        [format!("/auth/sessions?cursor={written}"), format!("/users/{written}"), format!("/{written}")]
    {
        up.chatbot(Request::get(&path).header("Referer", secret)).await;
        up.hub(Request::get(&path).header("User-Agent", secret)).await;
    }
    for (path, body) in [
        ("/auth/login", json!({ "email": secret, "password": secret })),
        ("/auth/login", json!({ "email": CAROL, "password": CAROL, "audience": secret, "domain": secret })),
        ("/auth/register", json!({ "email": CAROL, "password": secret, "name": secret, (secret): secret })),
        ("/auth/refresh", json!({ "refresh_token": secret })),
        ("/auth/mfa/verify", json!({ "mfa_token": secret, "code": secret })),
        ("/auth/mfa/verify", json!({ "mfa_token": secret, "recovery_code": secret })),
        ("/auth/mfa/webauthn/challenge", json!({ "mfa_token": secret })),
        ("/auth/email/verify", json!({ "token": secret })),
        ("/auth/password/reset", json!({ "token": secret, "password": secret })),
        ("/auth/password/forgot", json!({ "email": secret })),
    ] {
        up.chatbot(Request::post(path, &body.to_string())).await;
    }
    up.chatbot(form("/auth/revoke", &format!("token={written}"))).await;
    let login = form("/login", &format!("email={written}&password={written}&domain={written}"));
    up.chatbot(login.header("Sec-Fetch-Site", "same-origin")).await;
}

/// Row B21.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_person_is_logged_and_none_is_stored() {
    let folder = Folder::new();
    let log = folder.file("log", "");
    let up = folder.up_with(|command| {
        command.args(["--registration", "open"]).env("RUST_LOG", "trace");
        command.stderr(std::fs::File::create(&log).unwrap());
    });
    let (of_admin, of_newcomer) = (of_admin(&up, &folder).await, of_newcomer(&up, &log).await);
    // One of each kind: an address tries to log in so often a minute.
    for secret in of_admin.iter().take(KINDS).chain(&of_newcomer) {
        misplace(&up, secret).await;
    }
    assert_eq!(up.stop(), Some(0));
    let hidden = Hidden::of([of_admin, of_newcomer].concat());
    assert!(hidden.count() > 25, "{}", hidden.count());
    let logged = std::fs::read_to_string(&log).unwrap();
    let (letters, rest): (Vec<_>, Vec<_>) = logged.lines().partition(|line| line.contains(LETTER));
    assert!(hidden.shown_in(&letters.join("\n")).is_some(), "what is looked for would be found");
    assert!(rest.iter().any(|line| line.contains("mfa_verify")), "requests are logged");
    assert_eq!(hidden.shown_in(&rest.join("\n")), None, "a secret is logged");
    let mut files = 0;
    for file in std::fs::read_dir(folder.data()).unwrap() {
        let path = file.unwrap().path();
        if !path.ends_with("bootstrap.json") {
            assert_eq!(hidden.held_by(&std::fs::read(&path).unwrap()), None, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 3, "the store, its keys and its anchor are looked through: {files}");
}

/// Row C10: as the program comes.
#[tokio::test]
async fn nobody_registers_unless_it_was_said() {
    let folder = Folder::new();
    let up = folder.up();
    let body = json!({ "email": CAROL, "password": PASSWORD, "name": "Carol" }).to_string();
    assert_eq!(up.chatbot(Request::post("/auth/register", &body)).await.status, 404);
    assert_eq!(up.chatbot(Request::get("/register")).await.status, 404);
    let fields = format!("email={CAROL}&password={PASSWORD}&name=Carol&domain=");
    let page = form("/register", &fields).header("Sec-Fetch-Site", "same-origin");
    assert_eq!(up.chatbot(page).await.status, 404);
    assert_eq!(up.stop(), Some(0));
    let people = folder.json(&["people", "list"]);
    assert_eq!(people.as_array().map(Vec::len), Some(1), "the first super admin alone: {people}");
}
