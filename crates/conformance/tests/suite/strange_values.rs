//! Values that no caller should send, in every place that takes one: never a fault of ours, and what was taken
//! can be read again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::policy::Rule;
use auth_core::service::Service;
use auth_web::{Place, Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{
    caller::{Kind, request},
    client::{Request, Response, raw},
    world::World,
};
use hub_service::Hub;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// Values of JSON, as they are sent.
fn values() -> Vec<String> {
    let mut values: Vec<_> = [
        "null",
        "true",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "[\"\"]",
        "[\"\\u0000\"]",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\n\"",
        "\"\\u001b[31m\"",
        "\"\\u202e\\u2066\"",
        "\"\\ufeff\"",
        "\"\\uffff\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"e\\u0301\"",
        "\"\u{e9}\"",
        "\"%00\"",
        "\"../../etc/passwd\"",
        "\"' OR 1=1 --\"",
        "\"<script>\"",
        "\"${jndi:ldap://x}\"",
        "0",
        "-0",
        "-1",
        "0.5",
        "1e400",
        "-1e400",
        "1e308",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "4294967295",
        "4294967296",
        "100000000000000000000000000000000000000000",
        "\"0000-01-01T00:00:00Z\"",
        "\"0000-00-00T00:00:00Z\"",
        "\"-0001-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59.999999999Z\"",
        "\"9999-12-31T23:59:59-23:59\"",
        "\"+10000-01-01T00:00:00Z\"",
        "\"2026-02-30T00:00:00Z\"",
        "\"2026-01-01T23:59:60Z\"",
        "\"1969-12-31T23:59:59Z\"",
        "[\"0.0.0.0/0\",\"::/0\"]",
        "[\"::ffff:0:0/96\"]",
        "[\"10.0.0.1/33\"]",
    ]
    .map(str::to_owned)
    .into();
    values.push(format!("\"{}\"", "x".repeat(60_000)));
    values.push(format!("\"{}\"", "\u{1f600}".repeat(15_000)));
    values.push(format!("[{}\"x\"]", "\"x\",".repeat(12_000)));
    values.push(format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)));
    values
}

/// A value that is larger than any body: the server does not read it to its end.
fn huge() -> String {
    format!("\"{}\"", "x".repeat(1_000_000))
}

/// The same in a path, a query or a form.
fn texts() -> Vec<String> {
    let mut texts: Vec<_> = [
        "",
        "%00",
        "a%00b",
        "%ff",
        "%c0%af",
        "%ed%a0%80",
        "%e2%80%ae",
        "%f0%9f%98%80",
        "%0d%0aX:%20y",
        "%",
        "%zz",
        "+",
        "%2b",
        "..",
        "%2e%2e",
        "-1",
        "0",
        "9223372036854775808",
        "18446744073709551616",
        "1e400",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "CA%00",
        "0000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59-23:59",
        "%2b10000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "'%20OR%201=1--",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(5000));
    texts.push("%00".repeat(2000));
    texts
}

struct Prober<'a> {
    world: &'a World,
    /// How many answers there were.
    answered: usize,
    /// The rows that took something.
    accepted: BTreeSet<&'static str>,
    faults: Vec<String>,
    /// Whether the huge value was sent: once a service, since it takes its time.
    huge: bool,
}

impl Prober<'_> {
    /// Sends a request, and once more in another minute where there were too many.
    async fn send<S: WebService>(&mut self, row: &Row<S>, what: &str, request: Request) {
        let mut answer = request.send(self.world.address(S::KIND)).await.unwrap();
        if answer.status == 429 {
            self.world.place.execute("DELETE FROM attempts; DELETE FROM authorizations").await;
            self.world.advance(Duration::from_secs(61)).await;
            answer = request.send(self.world.address(S::KIND)).await.unwrap();
        }
        if answer.status == row.status {
            self.accepted.insert(row.spec.id);
        }
        self.judge(row.spec.id, what, &answer);
    }

    fn judge(&mut self, id: &str, what: &str, answer: &Response) {
        self.answered += 1;
        if answer.status >= 500 || answer.status == 429 {
            let what: String = what.chars().take(120).collect();
            self.faults.push(format!("{id} {what}: {} {}", answer.status, answer.body));
        }
    }

    /// A live credential of the first tenant that a row takes, if it takes any.
    async fn own<S: WebService>(&self, row: &Row<S>) -> Option<String> {
        match Kind::of_row(row).first()? {
            // Those of before have ended with the time that went by.
            Kind::Person => Some(self.world.log_in(&self.world.a).await.access),
            Kind::Page => Some(self.world.log_in(&self.world.a).await.page),
            Kind::StrongPage => Some(self.world.log_in_strongly(&self.world.a.strong).await.page),
            Kind::Strong => Some(self.world.log_in_strongly(&self.world.a.strong).await.access),
            Kind::Owner => Some(self.world.log_in_strongly(&self.world.a.owner).await.access),
            Kind::SuperAdmin if S::KIND == Service::Hub => {
                let admin = self.world.log_in_strongly(&self.world.a.admin).await;
                Some(self.world.at_hub(&admin).await.access)
            }
            Kind::SuperAdmin => Some(self.world.log_in_strongly(&self.world.a.admin).await.access),
            kind => Some(kind.of(&self.world.a, S::KIND)),
        }
    }

    /// Every member of the body, the path and the query of a row, and its `Idempotency-Key`.
    async fn probe<S: WebService>(&mut self, row: &Row<S>, document: &Value) {
        let world = self.world;
        let own = self.own(row).await;
        let mut holdings = world.a.clone();
        if ["email_verify", "password_reset"].contains(&row.spec.id) {
            // Those of before have ended with the time that went by.
            holdings.person = world.mailed(holdings.person).await;
        }
        let sent = request(row, &holdings, own.as_deref());
        let operation = &document["paths"][row.spec.path][row.spec.method.name().to_lowercase()];
        for member in members(operation, document) {
            let mut body: Value = serde_json::from_str(&sent.body).unwrap();
            body[&member] = Value::from("THE VALUE");
            let body = body.to_string();
            for value in values() {
                let body = body.replace("\"THE VALUE\"", &value);
                self.send(row, &format!("{member}={value}"), Request { body, ..sent.clone() }).await;
            }
            if !std::mem::replace(&mut self.huge, true) {
                let body = body.replace("\"THE VALUE\"", &huge());
                self.send(row, &format!("{member} of a megabyte"), Request { body, ..sent.clone() }).await;
            }
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap();
            match parameter["in"].as_str().unwrap() {
                "query" => {
                    for text in texts() {
                        let path = sent.target.split('?').next().unwrap();
                        let target = format!("{path}?{name}={text}");
                        self.send(row, &target, Request { target: target.clone(), ..sent.clone() }).await;
                    }
                }
                "path" => {
                    for text in texts() {
                        let path = row.spec.path.replace(&format!("{{{name}}}"), &text);
                        let target = world.a.fill(S::KIND, &path);
                        self.send(row, &target, Request { target: target.clone(), ..sent.clone() }).await;
                    }
                }
                _ => {}
            }
        }
        for value in
            ["", " ", "\u{e9}", "\u{1f600}", "a\tb", &"k".repeat(255), &"k".repeat(10_000), "\"", "%00"]
        {
            self.send(row, value, sent.clone().header("Idempotency-Key", value)).await;
        }
        let is_form = !sent.body.starts_with('{');
        for (at, pair) in sent.body.split('&').enumerate().filter(|(_, pair)| is_form && !pair.is_empty()) {
            let (name, _) = pair.split_once('=').unwrap();
            for text in texts() {
                let mut pairs: Vec<_> = sent.body.split('&').map(str::to_owned).collect();
                pairs[at] = format!("{name}={text}");
                self.send(row, &pairs[at].clone(), Request { body: pairs.join("&"), ..sent.clone() }).await;
            }
        }
    }

    /// Heads with bytes that are no text: they make no credential, change nothing, and of a good credential that
    /// they stand in they leave none.
    async fn heads<S: WebService>(&mut self, row: &Row<S>) {
        // Within the limits of a minute.
        self.world.advance(Duration::from_secs(61)).await;
        let own = self.own(row).await.unwrap_or_default().into_bytes();
        let before = self.world.dump().await;
        let path = self.world.a.fill(S::KIND, row.spec.path);
        let (front, back) = own.split_at(own.len() / 2);
        let strange = [b"\xff\xfe".to_vec(), b"\xc0\xaf".to_vec(), b"a\x80b".to_vec(), vec![b'x'; 8000]];
        let foreign = [&b"\x80"[..], b"\xff", b"\xa0", b"\xc3\xa9"];
        let spoilt = foreign.map(|foreign| {
            [[foreign, &own].concat(), [front, foreign, back].concat(), [&own, foreign].concat()]
        });
        let spoilt = spoilt.concat();
        let cookie = match row.spec.place {
            Place::Cookie(name) | Place::Page(name) => name,
            _ if row.spec.is_page => "__Host-login",
            _ => "__Host-chat",
        };
        let cookie = format!("Cookie: {cookie}=");
        let heads = [
            ("Authorization: Bearer ", true),
            ("X-API-Key: ", true),
            (&cookie, true),
            ("Origin: ", false),
            ("Idempotency-Key: ", false),
        ];
        for (name, is_credential) in heads {
            let spoilt = spoilt.iter().filter(|_| is_credential && !own.is_empty());
            for value in strange.iter().chain(spoilt) {
                let start = format!(
                    "{} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}",
                    row.spec.method.name()
                );
                let bytes = [start.as_bytes(), value, b"\r\n\r\n"].concat();
                let answer = raw(self.world.address(S::KIND), &bytes).await.unwrap();
                self.judge_head(row, name, &Response::parse(&answer).unwrap());
            }
        }
        if let Place::Query(_) = row.spec.place {
            let own = String::from_utf8(own).unwrap();
            for foreign in ["%80", "%ff", "%c2%a0", "%e2%80%8b", "%c3%a9", "%00", "%0a"] {
                let sent = request(row, &self.world.a, Some(&format!("{own}{foreign}")));
                let answer = sent.send(self.world.address(S::KIND)).await.unwrap();
                self.judge_head(row, &sent.target, &answer);
            }
        }
        let changed = changes(&before, &self.world.dump().await);
        if !changed.is_empty() {
            self.faults.push(format!("{} changed {changed:#?}", row.spec.id));
        }
    }

    /// A guarded row admits nobody with such a head.
    fn judge_head<S: WebService>(&mut self, row: &Row<S>, what: &str, answer: &Response) {
        self.judge(row.spec.id, what, answer);
        if matches!(row.rule, Rule::AnyOf(_)) && answer.status < 400 {
            self.faults.push(format!("{} {what}: admitted with {}", row.spec.id, answer.status));
        }
    }
}

/// The names of the members of an operation's JSON body, as the document tells them.
fn members(operation: &Value, document: &Value) -> Vec<String> {
    let mut schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let Some(path) = schema["$ref"].as_str() {
        schema = document.pointer(path.trim_start_matches('#')).unwrap();
    }
    schema["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

async fn run<S: WebService>(lists: &[&str], wanted: &[&str]) {
    let world = World::start().await;
    let document = Request::get("/openapi.json").send(world.address(S::KIND)).await.unwrap().json();
    let mut prober =
        Prober { world: &world, answered: 0, accepted: BTreeSet::new(), faults: Vec::new(), huge: false };
    let mut seen = Vec::new();
    for row in S::TABLE.rows() {
        // Ends what the others ask with.
        let ends = [
            "token_revoke",
            "user_remove",
            "calendar_disconnect",
            "api_key_revoke",
            "logout",
            "logout_all",
            "session_end",
            "password_change",
            "mfa_totp_remove",
            "mfa_webauthn_remove",
            "domain_key_revoke",
            "member_remove",
            "page_totp_remove",
            "page_passkey_remove",
            "page_session_end",
            "page_logout_all",
            "page_password",
            "page_logout",
        ];
        // What they take is good once, and for a minute: by then it is over.
        let once = [
            "oauth_callback",
            "mfa_verify",
            "mfa_step_up",
            "mfa_totp_confirm",
            "mfa_webauthn_register_finish",
            "mfa_webauthn_challenge",
            "email_verify",
            "password_reset",
            "page_factor",
            "page_step_up",
            "page_totp_confirm",
            "page_passkey_confirm",
        ];
        if ends.contains(&row.spec.id) {
            continue;
        }
        let operation = &document["paths"][row.spec.path][row.spec.method.name().to_lowercase()];
        let members = members(operation, &document);
        assert_eq!(members.is_empty(), !row.spec.body.starts_with('{'), "{}", row.spec.id);
        seen.extend(members);
        // Whoever is asked for next logs in with the password that they had.
        let passwords = "SELECT address || ' ' || password AS line FROM people";
        let kept = world.place.query(passwords).await;
        prober.probe(row, &document).await;
        for line in kept.iter().filter(|_| row.spec.id == "password_reset") {
            let (address, password) = line.split_once(' ').unwrap();
            let back = format!("UPDATE people SET password = '{password}' WHERE address = '{address}'");
            world.place.execute(&back).await;
        }
        if row.spec.id == "user_change" {
            world.place.execute("UPDATE people SET status = 'active'").await;
        }
        let accepted = prober.accepted.contains(row.spec.id) || once.contains(&row.spec.id);
        assert!(accepted, "{} took nothing", row.spec.id);
        prober.heads(row).await;
    }
    let (answered, faults) = (prober.answered, prober.faults);
    assert!(faults.is_empty(), "{} of {answered}: {faults:#?}", faults.len());
    assert!(answered > 1500, "{answered}");
    assert!(wanted.iter().all(|name| seen.iter().any(|seen| seen == name)), "{seen:?}");
    // What was stored of it can be read.
    for list in lists {
        let target = world.a.fill(S::KIND, list);
        let read = Request::get(&target).bearer(&Kind::Key.of(&world.a, S::KIND));
        let read = read.send(world.address(S::KIND)).await.unwrap();
        assert_eq!(read.status, 200, "{list}: {}", read.body);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_a_fault_of_the_hub() {
    let lists = [
        "/calls?limit=200",
        "/api-keys?limit=200",
        "/accounts/{account_id}",
        "/accounts/{account_id}/users?limit=200",
        "/accounts/{account_id}/billing/usage",
        "/accounts/{account_id}/billing/invoices",
        "/audit/events?limit=200",
    ];
    run::<Hub>(&lists, &["scheduled_time", "expires_at", "allowed_cidrs", "rate_limit", "overlap_seconds"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_a_fault_of_the_chatbot_service() {
    let lists = ["/auth/api/v1/tokens?limit=200", "/audit/events?limit=200"];
    run::<Chatbot>(&lists, &["question", "tenant", "origin", "session_id", "expires_in_hours"]).await;
}
