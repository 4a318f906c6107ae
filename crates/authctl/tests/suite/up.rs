//! `up` and `init`: what a newcomer runs first.

use crate::program::{FIRST_EVENTS, FIRST_KEYS, Folder, read_json};
use auth_core::{credential::TotpSecret, time::Clock as _};
use auth_web::system::SystemClock;
use conformance::client::Request;
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

const FIELDS: [&str; 8] = [
    "account_id",
    "admin",
    "chatbot_url",
    "domain",
    "domain_api_key",
    "hub_api_key",
    "hub_url",
    "introspection_key",
];

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_makes_keys_that_work_and_the_second_finds_them() {
    let folder = Folder::new();
    let up = folder.up();
    assert_eq!(up.started["fresh"], true);
    let file = folder.data().join("bootstrap.json");
    let written = std::fs::read(&file).unwrap();
    let first = read_json(&file);
    let fields: Vec<_> = first.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, FIELDS);
    assert_eq!((mode(&file), mode(&folder.data())), (0o600, 0o700));
    assert_eq!(first["hub_url"], format!("http://{}", up.hub));
    let (hub_key, domain_key) = (folder.first("hub_api_key"), folder.first("domain_api_key"));
    let account = folder.first("account_id");

    let owner = up.hub(Request::get("/domain/example.com/account").bearer(&hub_key)).await;
    assert_eq!((owner.status, owner.field("account_id")), (200, account.clone()));
    let key = serde_json::json!({ "key": hub_key }).to_string();
    let verified = up.hub(Request::post("/api-keys/verify", &key).bearer(&hub_key)).await;
    for permission in ["call_management", "billing_access", "api_key_management", "audit_read"] {
        assert!(verified.field("permissions").contains(permission), "{}", verified.body);
    }
    let minted = Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice"}"#).bearer(&domain_key);
    assert_eq!(up.chatbot(minted).await.status, 200);
    // token_generation and chat_access, and nothing beyond.
    assert_eq!(up.chatbot(Request::get("/audit/events").bearer(&domain_key)).await.status, 403);
    // Keys of one service open nothing at the other.
    assert_eq!(up.hub(Request::get("/calls").bearer(&domain_key)).await.status, 401);
    assert_eq!(up.stop(), Some(0));

    let up = folder.up();
    assert_eq!(up.started["fresh"], false);
    assert_eq!(std::fs::read(&file).unwrap(), written, "the file is written once");
    let owner = up.hub(Request::get("/domain/example.com/account").bearer(&hub_key)).await;
    assert_eq!((owner.status, owner.field("account_id")), (200, account));
    assert_eq!(up.stop(), Some(0));
    assert_eq!(folder.json(&["keys", "list"]).as_array().unwrap().len(), FIRST_KEYS);
}

#[tokio::test]
async fn the_first_super_admin_logs_in_with_both_factors_and_is_made_once() {
    let folder = Folder::new();
    let up = folder.up();
    let admin = read_json(&folder.data().join("bootstrap.json"))["admin"].clone();
    let body = serde_json::json!({ "email": admin["email"], "password": admin["password"] }).to_string();
    let log_in = async || up.chatbot(Request::post("/auth/login", &body)).await;
    let waits = log_in().await.json();
    assert_eq!((&waits["mfa_required"], waits.get("access_token")), (&Value::Bool(true), None));
    let secret = TotpSecret::parse(admin["totp_secret"].as_str().unwrap()).unwrap();
    let code = secret.code(SystemClock::start().now());
    let body = serde_json::json!({ "mfa_token": waits["mfa_token"], "code": code }).to_string();
    let begun = up.chatbot(Request::post("/auth/mfa/verify", &body)).await;
    let me = up.chatbot(Request::get("/auth/me").bearer(&begun.field("access_token"))).await.json();
    assert_eq!((&me["role"], &me["acr"]), (&Value::from("super_admin"), &Value::from("mfa")));
    // Browsers take a passkey of a name, and that at the issuer's pages alone.
    let published = up.chatbot(Request::get("/.well-known/oauth-authorization-server")).await;
    assert_eq!(published.field("issuer"), format!("http://localhost:{}", up.chatbot.port()));
    let asked = Request::new("POST", "/auth/mfa/webauthn/register/start");
    let asked = up.chatbot(asked.bearer(&begun.field("access_token"))).await.json();
    assert_eq!(asked["rp"]["id"], "localhost");
    let body =
        serde_json::json!({ "mfa_token": log_in().await.field("mfa_token"), "code": code }).to_string();
    let again = up.chatbot(Request::post("/auth/mfa/verify", &body)).await;
    assert_eq!(again.status, 401, "a code is good once");
    assert_eq!(up.stop(), Some(0));
    let created = folder.json(&["audit", "list", "--action", "person.super_admin_created"]);
    assert_eq!(created.as_array().map(Vec::len), Some(1), "{created}");
}

#[tokio::test]
async fn what_is_printed_can_be_pasted() {
    let folder = Folder::new();
    let any = ["up", "--hub-listen", "127.0.0.1:0", "--chatbot-listen", "127.0.0.1:0"];
    let mut child = folder.command(&any);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let lines: Vec<_> = lines.map(Result::unwrap).take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let text = lines.join("\n");
    let calls = lines.iter().filter(|line| line.trim_start().starts_with("curl "));
    let secrets = [folder.first("hub_api_key"), folder.first("domain_api_key")];
    let mut answers = Vec::new();
    for call in calls {
        let call = call.replacen("curl", "curl --silent --fail", 1);
        answers.push(std::process::Command::new("sh").arg("-c").arg(call).output());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "no secret is printed");
    assert_eq!(answers.len(), 3, "{text}");
    for answer in answers {
        // Machines without curl show nothing here; the other tests send the same requests.
        let Ok(answer) = answer else { continue };
        assert!(answer.status.success() || answer.status.code() == Some(127), "{answer:?}");
    }
}

#[test]
fn a_taken_port_makes_nothing() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = folder.fails(&["up", "--hub-listen", "127.0.0.1:0", "--chatbot-listen", &address]);
    assert!(told.contains(&address), "{told}");
    assert!(!folder.data().exists());
}

/// Runs a command in so many processes at once; what each printed. They must all have ended in good time.
fn all_at_once(folder: &Folder, count: usize, arguments: &[&str]) -> Vec<Value> {
    let start = |_| {
        let mut command = folder.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..count).map(start).collect();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        started.into_iter().try_for_each(|child| sender.send(child.wait_with_output()))
    });
    let next = |_| {
        let output = ended.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| panic!("one hangs"));
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    (0..count).map(next).collect()
}

#[test]
fn of_many_first_starts_at_once_one_makes_the_keys() {
    for starts in [10, 10, 10, 100] {
        let folder = Folder::new();
        let made = all_at_once(&folder, starts, &["init", "--json"]);
        assert_eq!(made.iter().filter(|said| said["made"] == true).count(), 1, "of {starts}");
        let count = |list| folder.json(&[list, "list"]).as_array().unwrap().len();
        assert_eq!((count("accounts"), count("domains"), count("keys")), (1, 1, FIRST_KEYS));
        // All are on one store, with one trail.
        let accounts = all_at_once(&folder, 10, &["accounts", "create", "Another account", "--json"]);
        assert_eq!((accounts.len(), count("accounts")), (10, 11));
        assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS + 10);
    }
}

#[test]
fn of_many_folders_that_begin_on_one_store_at_once_one_gets_the_keys() {
    for round in 0..3 {
        let shared = Folder::new();
        std::fs::create_dir(shared.data()).unwrap();
        let [store, key, anchor] =
            ["auth.db", "audit.key", "audit.anchor"].map(|name| shared.data().join(name));
        let folders: Vec<_> = (0..10).map(|_| Folder::new()).collect();
        let begin = |folder: &Folder| {
            let mut command = folder.command(&["init", "--json"]);
            command.env("AUTHCTL_STORE", format!("sqlite://{}", store.display()));
            command.env("AUTHCTL_AUDIT_KEY", &key).env("AUTHCTL_AUDIT_ANCHOR", &anchor);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let begun: Vec<_> = folders.iter().map(begin).collect();
        for (child, folder) in begun.into_iter().zip(&folders) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            let kept = |name| folder.data().join(name).exists();
            assert_eq!(kept("bootstrap.json"), said["made"] == true, "round {round}");
            assert!(!kept("bootstrap.json.draft"));
        }
        assert_eq!(folders.iter().filter(|folder| folder.data().join("bootstrap.json").exists()).count(), 1);
        let count = |list| shared.json(&[list, "list"]).as_array().unwrap().len();
        assert_eq!((count("accounts"), count("domains"), count("keys")), (1, 1, FIRST_KEYS));
    }
}

/// How many events the trail of a folder has been anchored with.
fn anchored(data: &Path) -> usize {
    std::fs::read_to_string(data.join("audit.anchor")).map_or(0, |text| text.lines().count())
}

/// What can be seen of a first start in its folder.
type Sight = (&'static str, fn(&Path) -> bool);

/// When a first start is killed: as soon as this can be seen of it.
const SIGHTS: [Sight; 10] = [
    ("nothing", |_| true),
    ("a folder", Path::exists),
    ("a key of the trail", |data| data.join("audit.key").exists()),
    ("a database", |data| data.join("auth.db").exists()),
    ("a draft", |data| data.join("bootstrap.json.draft").exists()),
    ("one event", |data| anchored(data) >= 1),
    ("two events", |data| anchored(data) >= 2),
    ("three events", |data| anchored(data) >= 3),
    ("four events", |data| anchored(data) >= 4),
    ("all events", |data| anchored(data) >= FIRST_EVENTS),
];

#[test]
fn a_first_start_that_is_killed_anywhere_is_finished_by_the_next() {
    let (mut drafts, mut halves) = (0, 0);
    for (sight, seen) in SIGHTS {
        for round in 0..5 {
            let folder = Folder::new();
            let data = folder.data();
            let mut child = folder.command(&["init"]).stdout(Stdio::null()).spawn().unwrap();
            while !seen(&data) && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let finished = data.join("bootstrap.json").exists();
            drafts += u32::from(!finished && data.join("bootstrap.json.draft").exists());
            halves += u32::from(!finished && (1..FIRST_EVENTS).contains(&anchored(&data)));
            finishes(&folder, &format!("killed at {sight}, round {round}"));
        }
    }
    assert!(drafts > 0, "no start was killed between its draft and its end");
    assert!(halves > 0, "no start was killed with a half of its objects made");
}

/// The next start makes what is missing, once, and its keys work.
fn finishes(folder: &Folder, what: &str) {
    folder.json(&["init"]);
    let count = |list| folder.json(&[list, "list"]).as_array().unwrap().len();
    assert_eq!((count("accounts"), count("domains"), count("keys")), (1, 1, FIRST_KEYS), "{what}");
    for (key, path) in [("hub_api_key", "/calls"), ("domain_api_key", "/auth/api/v1/tokens")] {
        let key = folder.file("key", &folder.first(key));
        let explained = folder.json(&["policy", "explain", "GET", path, "--key-file", &key]);
        assert_eq!(explained["explained"][0]["answer"]["status"], 200, "{what}: {explained}");
    }
    assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS, "{what}");
    assert!(!folder.data().join("bootstrap.json.draft").exists(), "{what}");
}

#[test]
fn a_file_that_was_put_away_stays_away() {
    let folder = Folder::new();
    folder.json(&["init"]);
    std::fs::remove_file(folder.data().join("bootstrap.json")).unwrap();
    assert_eq!(folder.json(&["init"])["made"], false);
    let up = folder.up();
    assert!(up.started["bootstrap"].is_null());
    assert_eq!(up.stop(), Some(0));
    assert!(!folder.data().join("bootstrap.json").exists());
    assert_eq!(folder.json(&["keys", "list"]).as_array().unwrap().len(), FIRST_KEYS);
}

#[test]
fn what_was_laid_where_the_draft_goes_is_put_away_and_nothing_is_written_to_it() {
    let folder = Folder::new();
    let other = folder.file("somebody's", "their own");
    std::fs::create_dir(folder.data()).unwrap();
    let draft = folder.data().join("bootstrap.json.draft");
    for lay in [
        |other: &str, draft: &Path| std::os::unix::fs::symlink(other, draft).unwrap(),
        |other: &str, draft: &Path| std::fs::hard_link(other, draft).unwrap(),
    ] {
        std::fs::remove_dir_all(folder.data()).unwrap();
        std::fs::create_dir(folder.data()).unwrap();
        lay(&other, &draft);
        assert_eq!(folder.json(&["init"])["made"], true);
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "their own");
        let file = folder.data().join("bootstrap.json");
        assert!(std::fs::symlink_metadata(&file).unwrap().is_file() && mode(&file) == 0o600);
        assert!(!draft.exists());
    }
}

#[test]
fn the_file_of_another_store_is_not_taken_for_this_ones() {
    let (folder, other) = (Folder::new(), Folder::new());
    folder.json(&["init"]);
    other.json(&["init"]);
    std::fs::copy(other.data().join("bootstrap.json"), folder.data().join("bootstrap.json")).unwrap();
    assert!(folder.fails(&["init"]).contains("another store"));
    std::fs::write(folder.data().join("bootstrap.json"), "{\"hub_api_key\": \"canary\", 1}").unwrap();
    let told = folder.fails(&["init"]);
    assert!(told.contains("bootstrap.json") && !told.contains("canary"), "{told}");
}

#[test]
fn a_foreign_or_damaged_file_is_refused_and_left_as_it_was() {
    let made = Folder::new();
    made.json(&["init"]);
    let key = std::fs::read(made.data().join("audit.key")).unwrap();
    let mut damaged = std::fs::read(made.data().join("auth.db")).unwrap();
    let middle = damaged.len() / 2;
    damaged.get_mut(4096..middle).unwrap().fill(0x5a);
    for (content, word) in [(b"Dear diary,\n".repeat(100), "not an SQLite database"), (damaged, "damaged")] {
        let folder = Folder::new();
        std::fs::create_dir(folder.data()).unwrap();
        std::fs::write(folder.data().join("audit.key"), &key).unwrap();
        let path = folder.data().join("auth.db");
        std::fs::write(&path, &content).unwrap();
        let any = ["up", "--hub-listen", "127.0.0.1:0", "--chatbot-listen", "127.0.0.1:0"];
        for command in [&["init"][..], &any, &["keys", "list"]] {
            let told = folder.fails(command);
            assert!(told.contains(word), "{told}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), content);
        let left = std::fs::read_dir(folder.data()).unwrap().map(|one| one.unwrap().file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        assert_eq!(left, ["audit.key", "auth.db"]);
    }
}

#[tokio::test]
async fn no_secret_is_logged_and_none_is_stored() {
    let folder = Folder::new();
    let log = folder.file("log", "");
    let up = folder.up_with(|command| {
        command.env("RUST_LOG", "trace").stderr(std::fs::File::create(&log).unwrap());
    });
    let (hub_key, domain_key) = (folder.first("hub_api_key"), folder.first("domain_api_key"));
    let made =
        Request::post("/api-keys", r#"{"name":"canary","permissions":["audit_read"]}"#).bearer(&hub_key);
    let made = up.hub(made).await.field("key");
    let minted = Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice"}"#).bearer(&domain_key);
    let token = up.chatbot(minted).await.field("token");
    let cookie = up.chatbot(Request::get(&format!("/autoconnect?token={token}"))).await;
    let cookie = cookie.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    folder.json(&["domains", "set-origins", "example.com", "https://www.example.com"]);
    let page = r#"{"tenant":"example.com","origin":"https://www.example.com"}"#;
    let widget = up.chatbot(Request::post("/v1/widget/session", page)).await.field("token");
    let wrong = format!("{made}x");
    for asked in [&hub_key, &domain_key, &made, &wrong, &token, &cookie, &widget] {
        up.chatbot(Request::post("/v1/widget/message", "{}").bearer(asked)).await;
        up.chatbot(Request::get("/chat").header("Cookie", &format!("__Host-chat={asked}"))).await;
        up.hub(Request::get("/calls").bearer(asked)).await;
        up.hub(Request::get("/calls").header("X-API-Key", asked)).await;
        up.hub(Request::get(&format!("/calls?token={asked}"))).await;
        up.chatbot(Request::get(&format!("/autoconnect?token={asked}"))).await;
    }
    assert_eq!(up.stop(), Some(0));
    let secrets = [hub_key, domain_key, made, token, cookie, widget];
    assert!(secrets.iter().all(|secret| secret.len() > 30), "{secrets:?}");
    let logged = std::fs::read(&log).unwrap();
    assert!(String::from_utf8_lossy(&logged).contains("call_list"), "requests are logged");
    let holds =
        |bytes: &[u8], secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
    for secret in &secrets {
        // A part of it is enough to look for: nobody may shorten it to pass.
        let part = secret.get(14..30).unwrap();
        assert!(!holds(&logged, part), "a secret is logged");
        for file in std::fs::read_dir(folder.data()).unwrap() {
            let path = file.unwrap().path();
            let stored = holds(&std::fs::read(&path).unwrap(), part);
            assert!(!stored || path.ends_with("bootstrap.json"), "{}", path.display());
        }
    }
}
