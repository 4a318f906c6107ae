//! `people`: who is who, what is refused, and that running services hear of it.

use crate::{
    commands::{OLD_PASSWORD, initialised},
    program::{FIRST_EVENTS, Folder, Up, read_json, text},
};
use auth_core::{credential::TotpSecret, time::Clock as _};
use auth_web::system::SystemClock;
use conformance::client::{Request, Response};
use diesel::{Connection as _, connection::SimpleConnection as _, sqlite::SqliteConnection};
use serde_json::{Value, json};

const ADMIN: &str = "admin@example.com";
const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

/// Has the store hold these people, who log in with [`OLD_PASSWORD`].
pub(crate) fn import<'a>(folder: &Folder, emails: impl IntoIterator<Item = &'a str>) {
    let line = |email: &str| json!({ "email": email, "password_hash": OLD_PASSWORD.1 }).to_string();
    let lines: Vec<_> = emails.into_iter().map(line).collect();
    let report = folder.json(&["import", "people", &folder.file("people.jsonl", &lines.join("\n"))]);
    assert_eq!(report["imported"], lines.len(), "{report}");
}

/// The row of somebody in the list.
fn listed(folder: &Folder, email: &str) -> Value {
    let people = folder.json(&["people", "list"]);
    people.as_array().unwrap().iter().find(|one| one["email"] == email).unwrap().clone()
}

/// What a command prints for people.
fn said(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The newest event of an action: who did it, and to whom.
fn newest(folder: &Folder, action: &str) -> (String, Value) {
    let events = folder.json(&["audit", "list", "--action", action, "--limit", "1"]);
    (text(&events[0], "actor"), events[0]["event"].clone())
}

/// How often the operator has changed somebody.
fn changes(folder: &Folder) -> usize {
    folder.json(&["audit", "list", "--action", "person.changed"]).as_array().unwrap().len()
}

async fn post(up: &Up, path: &str, body: &Value) -> Response {
    up.chatbot(Request::post(path, &body.to_string())).await
}

/// The answer to the login of an imported person.
pub(crate) async fn log_in(up: &Up, email: &str) -> Response {
    post(up, "/auth/login", &json!({ "email": email, "password": OLD_PASSWORD.0 })).await
}

async fn get(up: &Up, path: &str, token: &str) -> u16 {
    up.chatbot(Request::get(path).bearer(token)).await.status
}

/// A code of an authenticator, now.
fn code(secret: &str) -> String {
    TotpSecret::parse(secret).unwrap().code(SystemClock::start().now())
}

#[test]
fn people_are_listed_page_by_page() {
    let folder = initialised();
    let emails: Vec<_> = (0..203).map(|number| format!("alice{number}@example.com")).collect();
    import(&folder, emails.iter().map(String::as_str));
    let people = folder.json(&["people", "list"]);
    let people = people.as_array().unwrap();
    assert_eq!(people.len(), 204);
    for email in emails.iter().map(String::as_str).chain([ADMIN]) {
        assert_eq!(people.iter().filter(|one| one["email"] == email).count(), 1, "{email}");
    }
    let first = people.last().unwrap();
    assert_eq!((&first["email"], &first["super_admin"]), (&ADMIN.into(), &true.into()));
    assert_eq!((&first["status"], &first["second_factors"]), (&"active".into(), &json!(["totp"])));
    assert_eq!((&people[0]["super_admin"], &people[0]["second_factors"]), (&false.into(), &json!([])));
    assert!(!people[0]["verified_at"].is_null() && !people[0]["created_at"].is_null(), "{}", people[0]);
    let said = said(&folder, &["people", "list"]);
    assert_eq!(said.lines().count(), 205);
    assert!(said.lines().next().unwrap().contains("SECOND FACTORS"), "{said}");
    let row = said.lines().find(|line| line.starts_with(ADMIN)).unwrap();
    assert!(row.contains(&text(first, "id")) && row.contains("totp") && row.contains("yes"), "{row}");
}

#[tokio::test]
async fn people_who_are_suspended_are_refused_at_once_and_revived() {
    let folder = Folder::new();
    let up = folder.up();
    import(&folder, [ALICE, BOB]);
    let (alice, bob) = (log_in(&up, ALICE).await, log_in(&up, BOB).await);
    let (alice, refresh, bob) =
        (alice.field("access_token"), alice.field("refresh_token"), bob.field("access_token"));
    assert_eq!((get(&up, "/auth/me", &alice).await, get(&up, "/auth/me", &bob).await), (200, 200));

    let suspended = folder.json(&["people", "suspend", "Alice@Example.com"]);
    assert_eq!(get(&up, "/auth/me", &alice).await, 401, "once the command has answered");
    assert_eq!(get(&up, "/auth/me", &bob).await, 200, "others go on");
    assert_eq!(post(&up, "/auth/refresh", &json!({ "refresh_token": refresh })).await.status, 401);
    assert_eq!(log_in(&up, ALICE).await.status, 401);
    assert_eq!((&suspended["email"], &suspended["status"]), (&ALICE.into(), &"suspended".into()));
    assert_eq!(listed(&folder, ALICE), suspended);
    let (actor, event) = newest(&folder, "person.changed");
    assert_eq!((actor.as_str(), &event["person"]), ("operator", &suspended["id"]));
    assert_eq!((&event["status"], &event["super_admin"]), (&"suspended".into(), &false.into()));
    assert_eq!(folder.json(&["people", "suspend", ALICE]), suspended, "once more");
    assert_eq!(changes(&folder), 1, "and nothing was written");

    let revived = said(&folder, &["people", "revive", ALICE]);
    assert!(revived.contains(ALICE) && revived.contains("active"), "{revived}");
    assert_eq!(get(&up, "/auth/me", &alice).await, 401, "what ended stays ended");
    let anew = log_in(&up, ALICE).await.field("access_token");
    assert_eq!(get(&up, "/auth/me", &anew).await, 200);
    assert_eq!(newest(&folder, "person.changed").1["status"], "active");
    assert_eq!(folder.json(&["people", "revive", ALICE])["status"], "active");
    assert_eq!(changes(&folder), 2);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn all_sessions_of_people_are_ended() {
    let folder = Folder::new();
    let up = folder.up();
    import(&folder, [ALICE, BOB]);
    let mut sessions = Vec::new();
    for email in [ALICE, ALICE, BOB] {
        sessions.push(log_in(&up, email).await.field("access_token"));
        assert_eq!(get(&up, "/auth/me", sessions.last().unwrap()).await, 200);
    }
    let said = said(&folder, &["people", "end-sessions", ALICE]);
    assert!(said.contains("all their sessions have ended"), "{said}");
    let mut answers = Vec::new();
    for session in &sessions {
        answers.push(get(&up, "/auth/me", session).await);
    }
    assert_eq!(answers, [401, 401, 200]);
    assert_eq!(log_in(&up, ALICE).await.status, 200, "they may log in anew");
    // Nor does a login go on that waits for its second factor, and no session is needed for that.
    let admin = read_json(&folder.data().join("bootstrap.json"))["admin"].clone();
    let login = json!({ "email": ADMIN, "password": admin["password"] });
    let pending = post(&up, "/auth/login", &login).await.field("mfa_token");
    folder.json(&["people", "end-sessions", ADMIN]);
    let shown = json!({ "mfa_token": pending, "code": code(&text(&admin, "totp_secret")) });
    assert_eq!(post(&up, "/auth/mfa/verify", &shown).await.status, 401);
    assert_eq!(newest(&folder, "person.sessions_ended").1["person"], listed(&folder, ADMIN)["id"]);
    folder.json(&["people", "end-sessions", ALICE]);
    let (actor, event) = newest(&folder, "person.sessions_ended");
    assert_eq!((actor.as_str(), &event["why"]), ("operator", &"withdrawn".into()));
    assert_eq!(event["person"], listed(&folder, ALICE)["id"]);
    assert_eq!(up.stop(), Some(0));
}

/// As a store that is older than the first super admin.
#[tokio::test]
async fn people_are_promoted_where_nobody_administers_the_platform() {
    let folder = initialised();
    import(&folder, [ALICE, BOB]);
    let path = folder.data().join("auth.db").display().to_string();
    let mut store = SqliteConnection::establish(&path).unwrap();
    store.batch_execute("DELETE FROM totp; UPDATE people SET super_admin = 0").unwrap();
    drop(store);
    let up = folder.up();
    let before = log_in(&up, ALICE).await.field("access_token");

    let promoted = said(&folder, &["people", "promote", ALICE]);
    assert!(
        promoted.contains("super admin") && promoted.contains("must enrol a second factor"),
        "{promoted}"
    );
    let (actor, event) = newest(&folder, "person.changed");
    assert_eq!((actor.as_str(), &event["super_admin"]), ("operator", &true.into()));
    assert_eq!(event["person"], listed(&folder, ALICE)["id"]);
    assert_eq!(folder.json(&["people", "promote", ALICE])["super_admin"], true);
    assert_eq!(changes(&folder), 1);
    assert_eq!(get(&up, "/auth/me", &before).await, 401, "who has another role logs in anew");

    let weak = log_in(&up, ALICE).await.field("access_token");
    let early = up.chatbot(Request::get("/users").bearer(&weak)).await;
    assert_eq!((early.status, early.field("code")), (401, "insufficient_user_authentication".to_owned()));
    let enroll = Request::new("POST", "/auth/mfa/totp/enroll").bearer(&weak);
    let secret = up.chatbot(enroll).await.field("secret");
    let confirm = Request::post("/auth/mfa/totp/confirm", &json!({ "code": code(&secret) }).to_string());
    let strong = up.chatbot(confirm.bearer(&weak)).await.field("access_token");
    assert_eq!(get(&up, "/users", &strong).await, 200);
    assert_eq!(listed(&folder, ALICE)["second_factors"], json!(["totp"]));

    // There always is one.
    for command in ["demote", "suspend"] {
        assert!(folder.fails(&["people", command, ALICE]).contains("nobody else administers the platform"));
    }
    assert_eq!(get(&up, "/users", &strong).await, 200);
    folder.json(&["people", "promote", BOB]);
    let demoted = said(&folder, &["people", "demote", ALICE]);
    assert!(!demoted.contains("super admin") && !demoted.contains("enrol"), "{demoted}");
    assert_eq!(get(&up, "/users", &strong).await, 401, "once the command has answered");
    assert_eq!(newest(&folder, "person.changed").1["super_admin"], false);
    assert_eq!(folder.json(&["people", "demote", ALICE])["super_admin"], false);
    assert!(folder.fails(&["people", "suspend", BOB]).contains("nobody else administers the platform"));
    folder.json(&["audit", "verify"]);
    assert_eq!(up.stop(), Some(0));
}

/// Where people register themselves, anybody may have somebody's address.
#[tokio::test]
async fn people_whose_address_may_be_anybodys_are_promoted_by_saying_so_alone() {
    let folder = Folder::new();
    let up = folder.up_with(|command| {
        command.args(["--registration", "open"]);
    });
    let newcomer = json!({ "email": BOB, "password": "violet tapir quietly", "name": "Bob" });
    assert_eq!(post(&up, "/auth/register", &newcomer).await.status, 202);
    assert!(
        folder.fails(&["people", "promote", BOB]).contains("nobody has shown bob@example.com to be theirs")
    );
    assert_eq!((listed(&folder, BOB)["super_admin"].clone(), changes(&folder)), (false.into(), 0));
    assert_eq!(folder.json(&["people", "promote", BOB, "--unverified"])["super_admin"], true);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn people_who_are_demoted_are_refused_at_the_hub_too() {
    let folder = Folder::new();
    let up = folder.up();
    import(&folder, [ALICE]);
    let admin = read_json(&folder.data().join("bootstrap.json"))["admin"].clone();
    let login = json!({ "email": ADMIN, "password": admin["password"], "audience": "hub" });
    let pending = post(&up, "/auth/login", &login).await.field("mfa_token");
    let shown = json!({ "mfa_token": pending, "code": code(&text(&admin, "totp_secret")) });
    let token = post(&up, "/auth/mfa/verify", &shown).await.field("access_token");
    let accounts = async || up.hub(Request::get("/accounts").bearer(&token)).await.status;
    assert_eq!(accounts().await, 200);
    folder.json(&["people", "promote", ALICE]);
    assert_eq!(accounts().await, 200);
    folder.json(&["people", "demote", ADMIN]);
    assert_eq!(accounts().await, 401);
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn people_who_are_not_there_are_told_of_in_one_line() {
    let folder = initialised();
    for command in ["promote", "demote", "suspend", "revive", "end-sessions"] {
        let told = folder.fails(&["people", command, BOB]);
        assert!(told.contains("there is no person bob@example.com"), "{told}");
        assert!(folder.fails(&["people", command, "bob"]).contains("expected an e-mail address"));
        folder.fails(&["people", command]);
    }
    assert!(Folder::new().fails(&["people", "list"]).contains("there is no store"));
    assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS, "nothing was written");
}
