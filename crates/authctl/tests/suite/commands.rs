//! Each command: what it changes, what it says, and what it says of what is wrong.

use crate::program::{FIRST_EVENTS, FIRST_KEYS, Folder, text};
use auth_core::{credential::TotpSecret, time::Clock as _};
use auth_web::system::SystemClock;
use conformance::{
    client::Request,
    servers::{Postgres, unless_missing},
};
use diesel::{Connection as _, connection::SimpleConnection as _, sqlite::SqliteConnection};
use serde_json::Value;
use std::process::Stdio;

/// Keys of the earlier system that look like a temporary token.
const OLD_UUIDS: [&str; 2] = ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "550e8400-e29b-41d4-a716-446655440000"];
/// A key of the earlier system and its SHA-256.
const OLD_KEY: &str = "hub_2f6d0c1e8a7b4d3f9e5c6b7a8d9e0f1a";
const OLD_HASH: &str = "4ae11c0fb8ed0cbd5f69c2c2a4bb1fc4ab7da8b6e3d9d4a27aa8e2d0b6f0a8c5";

pub(crate) fn initialised() -> Folder {
    let folder = Folder::new();
    folder.json(&["init"]);
    folder
}

fn sha256(text: &str) -> String {
    let digest = auth_core::secret::TokenDigest::of(text);
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_key_of_the_earlier_system_works_after_its_import() {
    let folder = Folder::new();
    let up = folder.up();
    let account = folder.first("account_id");
    let other_hash = sha256("another_old_key_of_the_chatbot");
    let file = folder.file(
        "keys.csv",
        &format!(
            "id,key_hash,key_prefix,name,permissions,expires_at,account_id,domain,is_active\n             1,{hash},hub_2f6d,old key,\"[\"\"call_management\"\"]\",2999-01-01 00:00:00,{account},,true\n             2,{hash},hub_2f6d,again,call_management,2999-01-01T00:00:00Z,{account},,true\n             3,{OLD_KEY},hub_2f6d,the key itself,call_management,,{account},,true\n             4,{OLD_HASH},hub_4ae1,over,call_management,2020-01-01T00:00:00Z,{account},,true\n             5,{other_hash},another_,domain key,chat_access,,,example.com,1\n             6,{OLD_HASH},hub_4ae1,nobody's,call_management,,01939b5e-7c00-7000-8000-0000000000ab,,true\n",
            hash = sha256(OLD_KEY),
        ),
    );
    let ask = || Request::get("/calls").header("X-API-Key", OLD_KEY);
    let import = |more: &[&str]| {
        let output = folder.run(&[&["import", "keys", &file, "--json"], more].concat());
        assert_eq!(output.status.code(), Some(1), "lines are refused");
        let (out, told) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(![&out, &told].iter().any(|text| text.contains(OLD_KEY) || text.contains(&sha256(OLD_KEY))));
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let lines = |report: &Value, name: &str| -> Vec<u64> {
        report[name].as_array().unwrap().iter().map(|noted| noted["line"].as_u64().unwrap()).collect()
    };

    let dry = import(&["--dry-run"]);
    assert_eq!(
        (dry["imported"].as_u64(), lines(&dry, "left_out"), lines(&dry, "refused")),
        (Some(2), vec![3, 5], vec![4, 7])
    );
    assert_eq!(
        folder.json(&["keys", "list"]).as_array().unwrap().len(),
        FIRST_KEYS,
        "a dry run writes nothing"
    );
    assert_eq!(up.hub(ask()).await.status, 401);

    let done = import(&[]);
    assert_eq!(
        (done["imported"].as_u64(), lines(&done, "left_out"), lines(&done, "refused")),
        (Some(2), vec![3, 5], vec![4, 7])
    );
    assert_eq!(up.hub(ask()).await.status, 200);
    let billing = Request::get(&format!("/accounts/{account}/billing/usage")).header("X-API-Key", OLD_KEY);
    assert_eq!(up.hub(billing).await.status, 403, "and may what it could before, and no more");
    let query = Request::post("/query/", r#"{"question":"Open?","domain":"example.com"}"#);
    assert_eq!(up.chatbot(query.bearer("another_old_key_of_the_chatbot")).await.status, 200);

    let again = import(&[]);
    assert_eq!((again["imported"].as_u64(), lines(&again, "left_out")), (Some(0), vec![2, 3, 5, 6]));
    let keys = folder.json(&["keys", "list", "--service", "hub"]);
    let old = keys.as_array().unwrap().iter().find(|key| key["prefix"] == "hub_2f6d").unwrap();
    assert_eq!((&old["name"], &old["expires_at"]), (&"old key".into(), &"2999-01-01T00:00:00Z".into()));
    let events = folder.json(&["audit", "list", "--action", "key.imported"]);
    assert_eq!(events.as_array().unwrap().len(), 2);
    folder.json(&["keys", "revoke", &text(old, "id")]);
    assert_eq!(up.hub(ask()).await.status, 401);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn a_key_of_the_earlier_system_may_look_like_a_temporary_token() {
    let folder = Folder::new();
    let up = folder.up();
    let (account, [hub, chatbot]) = (folder.first("account_id"), OLD_UUIDS);
    let header = "key_hash,key_prefix,name,permissions,account_id,domain";
    let lines = [
        header.to_owned(),
        format!("{},{},old,call_management,{account},", sha256(hub), &hub[..8]),
        format!("{},{},old,chat_access,,example.com", sha256(chatbot), &chatbot[..8]),
    ];
    let report = folder.json(&["import", "keys", &folder.file("keys.csv", &lines.join("\n"))]);
    assert_eq!(report["imported"], 2, "{report}");
    let query = || Request::post("/query/", r#"{"question":"Open?","domain":"example.com"}"#);
    for (name, value) in [("Authorization", "Bearer "), ("X-API-Key", "")] {
        let calls = Request::get("/calls");
        assert_eq!(up.hub(calls.header(name, &format!("{value}{hub}"))).await.status, 200, "{name}");
        let asked = query().header(name, &format!("{value}{chatbot}"));
        assert_eq!(up.chatbot(asked).await.status, 200, "{name}");
    }
    // Each at its own service alone; and a temporary token is no key.
    assert_eq!(up.hub(Request::get("/calls").bearer(chatbot)).await.status, 401);
    assert_eq!(up.chatbot(query().bearer(hub)).await.status, 401);
    let minted = Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice"}"#);
    let token = up.chatbot(minted.bearer(&folder.first("domain_api_key"))).await.field("token");
    assert_eq!(up.chatbot(query().bearer(&token)).await.status, 200);
    assert_eq!(up.chatbot(query().header("X-API-Key", &token)).await.status, 401);
    assert_eq!(up.stop(), Some(0));
}

#[test]
fn lines_of_json_are_imported_and_unknown_columns_are_not() {
    let folder = initialised();
    let account = folder.first("account_id");
    let line = |extra: &str| {
        format!(
            r#"{{"key_hash":"{OLD_HASH}","key_prefix":"hub_4ae1","permissions":["billing_access"]{extra}}}"#
        )
    };
    let file =
        folder.file("keys.jsonl", &format!("{}\n{}\n", line(r#","allowed_ips":"10.0.0.0/8""#), line("")));
    let refused = folder.run(&["import", "keys", &file, "--account", &account, "--json"]);
    let report: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((&report["imported"], &report["refused"][0]["line"]), (&1.into(), &1.into()));
    let csv = folder.file("keys.csv", "key_hash,key_prefix,permissions,allowed_ips\n");
    assert!(folder.fails(&["import", "keys", &csv]).contains("allowed_ips"));
    assert!(folder.fails(&["import", "keys", &folder.file("keys.txt", "")]).contains(".csv or .jsonl"));
    assert!(folder.fails(&["import", "keys", "absent.csv"]).contains("absent.csv"));
}

#[test]
fn a_key_that_is_known_otherwise_is_refused_and_nothing_of_a_key_is_repeated() {
    let folder = initialised();
    let account = folder.first("account_id");
    let header = "key_hash,key_prefix,permissions,expires_at,account_id,domain,is_active";
    let file = |rows: &[String]| folder.file("keys.csv", &format!("{header}\n{}\n", rows.join("\n")));
    let (live, gone) = (sha256("live"), sha256("gone"));
    folder.json(&["import", "keys", &file(&[format!("{live},hub_0000,call_management,,{account},,true")])]);
    let rows = [
        format!("{live},hub_0000,call_management,,{account},,true"),
        format!("{live},hub_0000,chat_access,,,example.com,true"),
        format!("{live},hub_0000,billing_access,,{account},,true"),
        format!("{live},hub_0000,call_management,2999-01-01T00:00:00Z,{account},,true"),
        format!("{live},hub_0000,call_management,,{account},,false"),
        format!("{gone},hub_0000,call_management,,{account},,false"),
        format!("{gone},hub_0000,call_management,,{account},,true"),
        format!("{},hub_canary_the_whole_key,call_management,,{account},,true", sha256("a")),
        format!("{},hub_0000,hub_canary_the_whole_key,,{account},,true", sha256("b")),
        format!("{},\u{1b}[31mred,call_management,,{account},,true", sha256("c")),
    ];
    for (more, from) in
        [(&["--dry-run"][..], 0), (&[], 0), (&["--dry-run"], 1), (&[], 1), (&["--dry-run"], 4)]
    {
        let path = file(&rows[from..]);
        let output = folder.run(&[&["import", "keys", &path, "--json"], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let told = format!("{report}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains("canary") && !told.contains('\u{1b}') && !told.contains("[31m"), "{told}");
        assert_eq!(report["imported"], 0, "{report}");
        let refused: Vec<_> =
            report["refused"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
        let all: Vec<_> = (2..12 - from as u64).collect();
        // The first row, where it is there, and the key that is over need not be taken.
        let left_out = if from == 0 { vec![2, 7] } else { vec![7 - from as u64] };
        assert_eq!(refused, all.into_iter().filter(|line| !left_out.contains(line)).collect::<Vec<_>>());
    }
}

#[test]
fn with_json_what_is_wrong_is_one_object() {
    let folder = initialised();
    for wrong in [&["keys", "revoke", "01939b5e-7c00-7000-8000-0000000000ab"][..], &["nonsense"]] {
        let output = folder.run(&[wrong, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(!text(&error, "error").is_empty());
    }
}

#[test]
fn of_lines_that_contradict_each_other_none_is_taken() {
    let folder = initialised();
    let account = folder.first("account_id");
    let row = |active: bool| format!("{},hub_0000,call_management,{account},{active}", sha256("gone"));
    let other = format!("{},hub_0001,call_management,{account},true", sha256("other"));
    let header = "key_hash,key_prefix,permissions,account_id,is_active".to_owned();
    let file = folder.file("keys.csv", &[header, row(true), row(false), row(true), other].join("\n"));
    for more in [&["--dry-run"][..], &[]] {
        let output = folder.run(&[&["import", "keys", &file, "--json"], more].concat());
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut refused: Vec<_> =
            report["refused"].as_array().unwrap().iter().map(|noted| noted["line"].as_u64()).collect();
        refused.sort();
        assert_eq!((&report["imported"], refused), (&1.into(), vec![Some(2), Some(3), Some(4)]), "{report}");
    }
    let keys = folder.json(&["keys", "list", "--service", "hub"]);
    let prefixes: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["prefix"].clone()).collect();
    assert!(prefixes.contains(&"hub_0001".into()) && !prefixes.contains(&"hub_0000".into()), "{keys}");
}

#[test]
fn many_keys_are_imported_in_batches() {
    let folder = initialised();
    let account = folder.first("account_id");
    let mut csv = "key_hash,key_prefix,permissions\n".to_owned();
    for number in 0..1203 {
        csv.push_str(&format!("{},hub_0000,call_management\n", sha256(&format!("old key {number}"))));
    }
    let report = folder.json(&["import", "keys", &folder.file("keys.csv", &csv), "--account", &account]);
    assert_eq!(report["imported"], 1203);
    assert_eq!(folder.json(&["keys", "list"]).as_array().unwrap().len(), FIRST_KEYS + 1203);
    assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS + 1203);
}

/// Another program's hash, of "U*U": one that the authors of crypt_blowfish test theirs with.
pub(crate) const OLD_PASSWORD: (&str, &str) =
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");

#[tokio::test]
async fn people_of_the_earlier_system_log_in_after_their_import() {
    let folder = Folder::new();
    let up = folder.up();
    let (password, hash) = OLD_PASSWORD;
    let kinds = ["$2a$", "$2b$", "$2y$"].map(|version| hash.replacen("$2a$", version, 1));
    let [a, b, y] = &kinds;
    let file = folder.file(
        "people.csv",
        &format!(
            "id,email,password_hash,name,is_verified,is_active\n\
             1,alice@example.org,{a},Alice,true,true\n\
             2,Bob@Example.org,{b},,,\n\
             3,carol@example.org,{y},Carol,false,true\n\
             4,dan@example.org,{a},Dan,true,false\n\
             5,alice@example.org,{a},Alice,true,true\n\
             6,erin@example.org,canary in clear,Erin,true,true\n\
             7,admin@example.com,{a},Somebody,true,true\n\
             8,frank@example.org,{a},Frank,true,true\n\
             9,FRANK@example.org,{b},Frank,true,true\n\
             10,no address,{a},,true,true\n"
        ),
    );
    let import = |more: &[&str]| {
        let output = folder.run(&[&["import", "people", &file, "--json"], more].concat());
        assert_eq!(output.status.code(), Some(1), "lines are refused");
        let told = String::from_utf8_lossy(&[output.stdout.clone(), output.stderr].concat()).into_owned();
        assert!(!told.contains("canary") && !told.contains("$2"), "{told}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let lines = |report: &Value, name: &str| -> Vec<u64> {
        report[name].as_array().unwrap().iter().map(|noted| noted["line"].as_u64().unwrap()).collect()
    };
    let log_in = async |email: &str, password: &str| {
        let body = serde_json::json!({ "email": email, "password": password }).to_string();
        up.chatbot(Request::post("/auth/login", &body)).await
    };
    for more in [&["--dry-run"][..], &[]] {
        let report = import(more);
        let (left_out, refused) = (lines(&report, "left_out"), lines(&report, "refused"));
        assert_eq!(
            (report["imported"].as_u64(), left_out, refused),
            (Some(3), vec![5, 6, 8], vec![7, 9, 10, 11])
        );
        assert_eq!(log_in("alice@example.org", password).await.status == 200, more.is_empty());
    }
    assert_eq!(log_in("bob@example.org", password).await.status, 200);
    assert_eq!(log_in("alice@example.org", "U*U*").await.status, 401);
    let early = log_in("carol@example.org", password).await;
    assert_eq!((early.status, early.field("code")), (401, "unauthenticated".to_owned()));
    for absent in ["dan@example.org", "erin@example.org", "frank@example.org"] {
        assert_eq!(log_in(absent, password).await.status, 401, "{absent}");
    }
    let again = import(&[]);
    assert_eq!((again["imported"].as_u64(), lines(&again, "refused")), (Some(0), vec![7, 9, 10, 11]));
    let events = folder.json(&["audit", "list", "--action", "person.imported"]);
    assert_eq!(events.as_array().unwrap().len(), 3);
    assert_eq!(events[0]["actor"], "operator");
    assert_eq!(up.stop(), Some(0));
    // Who has logged in has a hash of today's cost, in the form of today.
    let path = folder.data().join("auth.db").display().to_string();
    let mut store = SqliteConnection::establish(&path).unwrap();
    let today = diesel::sql_query(
        "UPDATE people SET name = name WHERE address IN ('alice@example.org', 'bob@example.org') AND password LIKE '$2b$12$%'",
    );
    assert_eq!(diesel::RunQueryDsl::execute(today, &mut store).unwrap(), 2);
}

#[test]
fn many_people_are_imported_in_batches_and_unknown_columns_are_not() {
    let folder = initialised();
    let mut lines = String::new();
    for number in 0..203 {
        let line = serde_json::json!({ "email": format!("alice{number}@example.org"), "password_hash": OLD_PASSWORD.1 });
        lines.push_str(&format!("{line}\n"));
    }
    let report = folder.json(&["import", "people", &folder.file("people.jsonl", &lines)]);
    assert_eq!(report["imported"], 203);
    assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS + 203);
    let csv = folder.file("people.csv", "email,password_hash,role\n");
    assert!(folder.fails(&["import", "people", &csv]).contains("role"));
    let ignored = folder.json(&["import", "people", &csv, "--ignore", "role"]);
    assert_eq!(ignored["lines"], 0);
}

/// The status of a route's good answer, as the Hub's table has it.
fn status_of(method: &str, path: &str) -> u64 {
    let table = <hub_service::Hub as auth_web::Service>::TABLE;
    let row = table.rows().iter().find(|row| row.spec.path == path && row.spec.method.name() == method);
    row.unwrap().status.into()
}

#[test]
fn explanations_agree_with_what_the_services_answer() {
    let folder = initialised();
    let account = folder.first("account_id");
    let make = |more: &[&str]| {
        let made = ["keys", "create", "--service", "hub", "--account", &account, "--name", "explained"];
        folder.json(&[&made, more].concat())
    };
    let explain = |key: &str, method: &str, path: &str, more: &[&str]| {
        let file = folder.file("key", key);
        let asked = ["policy", "explain", method, path, "--service", "hub", "--key-file", &file];
        folder.json(&[&asked, more].concat())["explained"][0]["answer"].clone()
    };
    let says = |answer: &Value, status: u64, why: &str| {
        assert_eq!(answer["status"], status, "{answer}");
        assert!(text(answer, "why").contains(why), "{answer}");
    };
    let billing = make(&["--permission", "billing_access"]);
    let key = text(&billing, "key");
    says(&explain(&key, "GET", "/calls", &[]), 403, "key(call_management)");
    says(
        &explain(&key, "GET", &format!("/accounts/{account}/billing/usage"), &[]),
        200,
        "key(billing_access)",
    );
    says(&explain(&key, "DELETE", "/calls", &[]), 405, "GET");
    says(&explain(&key, "GET", "/calls/", &[]), 404, "no route");
    let head = |path| folder.json(&["policy", "explain", "HEAD", path])["explained"][0]["answer"].clone();
    says(&head("/autoconnect"), 405, "GET");
    says(&head("/health/ready"), 200, "anybody may");
    says(&explain(&key, "GET", "/health/live", &[]), 200, "anybody may");
    says(&explain(&folder.first("domain_api_key"), "GET", "/calls", &[]), 401, "does not know");
    let mut wrong = key.clone();
    wrong.pop();
    says(&explain(&wrong, "GET", "/calls", &[]), 401, "checksum");
    let near = make(&["--permission", "call_management", "--network", "192.0.2.0/24"]);
    let near = text(&near, "key");
    says(&explain(&near, "GET", "/calls", &["--source", "192.0.2.7"]), 200, "key(call_management)");
    says(&explain(&near, "GET", "/calls", &["--source", "198.51.100.7"]), 403, "networks");
    folder.json(&["keys", "revoke", &text(&billing, "id")]);
    says(&explain(&key, "GET", "/calls", &[]), 401, "was ended");
    let calls = make(&["--permission", "call_management"]);
    let made = status_of("POST", "/start");
    says(&explain(&text(&calls, "key"), "POST", "/start", &[]), made, "key(call_management)");
    let without = folder.json(&["policy", "explain", "POST", "/start"]);
    says(&without["explained"][0]["answer"], 401, "no credential");
    assert_eq!(without["explained"][0]["route"]["requirement"], "key(call_management)");
    assert_eq!(without["explained"].as_array().unwrap().len(), 1, "the chatbot service has no such path");
}

#[test]
fn the_trail_says_what_the_operator_did_and_a_change_of_it_is_found() {
    let folder = initialised();
    let account =
        text(&folder.json(&["accounts", "create", "Second account", "--contact", "alice@example.com"]), "id");
    folder.json(&["domains", "create", "shop.example", "--account", &account]);
    assert!(folder.fails(&["domains", "create", "Shop.Example", "--account", &account]).contains("taken"));
    let events = folder.json(&["audit", "list"]);
    let actions: Vec<_> =
        events.as_array().unwrap().iter().map(|one| text(&one["event"], "action")).collect();
    assert_eq!(
        actions,
        [
            "domain.created",
            "account.created",
            "person.super_admin_created",
            "key.created",
            "key.created",
            "key.created",
            "domain.created",
            "account.created"
        ]
    );
    assert!(events.as_array().unwrap().iter().all(|one| one["actor"] == "operator"));
    let named = folder.json(&["audit", "list", "--target", &account, "--limit", "1"]);
    assert_eq!(named.as_array().unwrap().len(), 1);
    let verified = folder.json(&["audit", "verify"]);
    assert_eq!(verified["entries"], FIRST_EVENTS + 2);

    let path = folder.data().join("auth.db").display().to_string();
    let alter = |sql: &str| SqliteConnection::establish(&path).unwrap().batch_execute(sql).unwrap();
    alter("UPDATE audit_events SET actor = 'key:somebody' WHERE seq = 2");
    assert!(folder.fails(&["audit", "verify"]).contains("entry 2"));
    alter("UPDATE audit_events SET actor = 'operator' WHERE seq = 2");
    folder.json(&["audit", "verify"]);

    let last = FIRST_EVENTS + 2;
    let head = format!("{last} {}", text(&verified, "head"));
    folder.json(&["audit", "verify", "--head", &head]);
    let forged = format!("{last} {}", "0".repeat(64));
    assert!(folder.fails(&["audit", "verify", "--head", &forged]).contains(&format!("entry {last}")));
    let anchor = folder.data().join("audit.anchor");
    let lines = std::fs::read_to_string(&anchor).unwrap();
    std::fs::write(&anchor, format!("{lines}{} {}\n", last + 1, "ab".repeat(32))).unwrap();
    let missed = format!("entry {}", last + 1);
    assert!(folder.fails(&["audit", "verify"]).contains(&missed), "an end that was cut is missed");
    std::fs::write(&anchor, format!("{lines}nonsense\n")).unwrap();
    assert!(folder.fails(&["audit", "verify"]).contains("anchor"));
    std::fs::remove_file(&anchor).unwrap();
    assert!(folder.fails(&["audit", "verify"]).contains("anchor"));
    folder.json(&["accounts", "create", "After"]);
    assert!(folder.fails(&["audit", "verify"]).contains("removed"), "what is anchored anew hides no loss");
    let begun = std::fs::read_to_string(&anchor).unwrap();
    std::fs::write(&anchor, format!("0 {}\n{begun}", "00".repeat(32))).unwrap();
    folder.json(&["audit", "verify"]);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let nothing = Folder::new();
    for command in [&["keys", "list"][..], &["audit", "verify"], &["accounts", "list"]] {
        assert!(nothing.fails(command).contains("there is no store"));
    }
    assert!(!nothing.data().exists(), "looking makes nothing");
    let folder = initialised();
    let account = folder.first("account_id");
    let absent = "01939b5e-7c00-7000-8000-0000000000ab";
    let create = |more: &[&'static str]| {
        let made = ["keys", "create", "--name", "wrong", "--permission", "call_management"];
        folder.fails(&[&made, more].concat())
    };
    assert!(create(&["--service", "hub", "--domain", "example.com"]).contains("--account"));
    assert!(create(&["--service", "chatbot", "--domain", "example.com"]).contains("call_management"));
    assert!(create(&["--service", "hub", "--account", absent]).contains(absent));
    for wrong in [
        &[][..],
        &["keys"],
        &["nonsense"],
        &["keys", "revoke", absent],
        &["keys", "revoke", "1"],
        &["keys", "rotate", absent],
        &["keys", "create", "--service", "hub", "--account", &account, "--name", "x"],
        &["keys", "create", "--service", "hub", "--account", &account, "--name", "x", "--permission", "root"],
        &[
            "keys",
            "create",
            "--service",
            "hub",
            "--account",
            &account,
            "--name",
            "x",
            "--permission",
            "audit_read",
            "--expires-at",
            "2020-01-01T00:00:00Z",
        ],
        &["accounts", "create", ""],
        &["accounts", "suspend", absent],
        &["domains", "create", "a b", "--account", &account],
        &["domains", "create", "b.example", "--account", absent],
        &["domains", "set-origins", "example.com", "https://*.example.com"],
        &["domains", "suspend", "absent.example"],
        &["audit", "list", "--from", "yesterday"],
        &["audit", "verify", "--head", "1 2"],
        &["policy", "explain", "GET", "/calls", "--key-file", "absent"],
        &["accounts", "list", "--store", "postgres://alice:canary@localhost/auth"],
        &["up", "--hub-listen", "here"],
        &["migrate", "--hub-role", "hub"],
        &["migrate", "--hub-role", "hub", "--chatbot-role", "chatbot"],
    ] {
        assert!(!folder.fails(wrong).contains("canary"));
    }
    assert_eq!(folder.json(&["keys", "list"]).as_array().unwrap().len(), FIRST_KEYS, "nothing was made");
    assert_eq!(folder.json(&["audit", "verify"])["entries"], FIRST_EVENTS);
    assert_eq!(folder.json(&["migrate"])["changed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_the_services_are_given_their_rights() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let roles = "CREATE ROLE hub; CREATE ROLE chatbot";
    server.execute("postgres", roles).await.unwrap();
    let folder = Folder::new();
    let (store, hub, chatbot) =
        (server.url("postgres"), ["--hub-role", "hub"], ["--chatbot-role", "chatbot"]);
    let migrate = ["migrate", "--store", &store];
    for changed in [true, false] {
        let told = folder.json(&[&migrate[..], &hub, &chatbot].concat());
        assert_eq!((&told["changed"], &told["granted"]), (&changed.into(), &true.into()), "{told}");
    }
    assert_eq!(folder.json(&migrate)["granted"], false);
    server.execute("postgres", "SET ROLE hub; SELECT FROM calls").await.expect("the Hub's own");
    server.execute("postgres", "SET ROLE hub; SELECT FROM tokens").await.expect_err("not the Hub's");
    let nobody = folder.fails(&[&migrate[..], &hub, &["--chatbot-role", "nobody"]].concat());
    assert!(nobody.contains("\"nobody\" is not there") && !nobody.contains("only-for-tests"), "{nobody}");
}

#[test]
fn people_get_text() {
    let folder = initialised();
    let account = folder.first("account_id");
    let said = |arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&["init"]).contains("nothing was made"));
    assert!(said(&["accounts", "list"]).contains(&account));
    assert!(said(&["domains", "list"]).contains("example.com"));
    assert!(said(&["audit", "list"]).contains("account.created"));
    assert!(said(&["audit", "verify"]).contains(&format!("the trail stands: {FIRST_EVENTS} entries")));
    assert!(said(&["policy", "explain", "GET", "/calls"]).contains("key(call_management)"));
    let made = [
        "keys",
        "create",
        "--service",
        "hub",
        "--account",
        &account,
        "--name",
        "text",
        "--permission",
        "audit_read",
    ];
    let secret = said(&made).rsplit_once(": ").unwrap().1.trim().to_owned();
    assert!(secret.starts_with("avk_"));
    let listed = said(&["keys", "list", "--account", &account]);
    assert!(listed.contains(secret.get(..12).unwrap()) && !listed.contains(&secret));
    assert!(said(&["--help"]).contains("policy"));
}

#[test]
fn the_code_of_an_authenticator_is_that_of_the_secret() {
    let folder = Folder::new();
    let code = |secret: &str| {
        let mut command = folder.command(&["totp", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), secret.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let secret = TotpSecret::parse(text).unwrap();
    let before = SystemClock::start().now();
    let output = code(&format!("{text}\n"));
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let step = secret.step_of(shown["code"].as_str().unwrap(), SystemClock::start().now());
    assert!(step.is_some_and(|step| step >= before.millis() / 30_000), "{shown}");
    for wrong in ["", "GEZDGNBV", "no secret", &"A".repeat(5000)] {
        let output = code(wrong);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
        assert!(told.contains("standard input") && (wrong.is_empty() || !told.contains(wrong)), "{told}");
    }
    assert!(!folder.data().exists(), "no store is asked");
}
