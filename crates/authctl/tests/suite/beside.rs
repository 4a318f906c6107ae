//! The program beside running services, on the same file.

use crate::program::{Folder, Up, text};
use conformance::client::{Request, Response};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

async fn may_list_calls(up: &Up, key: &str) -> bool {
    match up.hub(Request::get("/calls").bearer(key)).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_the_command_line_ends_is_refused_once_it_has_answered() {
    let folder = Folder::new();
    let up = folder.up();
    let account = folder.first("account_id");
    for _ in 0..20 {
        let made = folder.json(&[
            "keys",
            "create",
            "--service",
            "hub",
            "--account",
            &account,
            "--name",
            "beside",
            "--permission",
            "call_management",
        ]);
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        assert!(may_list_calls(&up, &key).await, "a new key works once the command has answered");
        assert!(may_list_calls(&up, &key).await, "and from memory");
        let rotated = folder.json(&["keys", "rotate", &id]);
        let newer = text(&rotated, "key");
        assert!(!may_list_calls(&up, &key).await, "the old secret ended with the rotation");
        assert!(may_list_calls(&up, &newer).await);
        folder.json(&["keys", "revoke", &id]);
        assert!(!may_list_calls(&up, &newer).await, "a revoked key is refused");
        assert!(folder.fails(&["keys", "rotate", &id]).contains("revoked"));
    }
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn an_owner_is_suspended_and_revived() {
    let folder = Folder::new();
    let up = folder.up();
    let (account, hub_key) = (folder.first("account_id"), folder.first("hub_api_key"));
    let domain_key = folder.first("domain_api_key");
    let tokens = || Request::get("/auth/api/v1/tokens").bearer(&domain_key);
    assert!(may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 200);

    folder.json(&["domains", "suspend", "example.com"]);
    assert_eq!(up.chatbot(tokens()).await.status, 401);
    assert!(may_list_calls(&up, &hub_key).await, "the account's own keys go on");
    folder.json(&["domains", "revive", "example.com"]);
    assert_eq!(up.chatbot(tokens()).await.status, 200);

    folder.json(&["accounts", "suspend", &account]);
    assert!(!may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 401, "its domains go with it");
    folder.json(&["accounts", "revive", &account]);
    assert!(may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 200);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn a_page_opens_the_widget_once_its_origin_is_set() {
    let folder = Folder::new();
    let up = folder.up();
    let page = r#"{"tenant":"example.com","origin":"https://www.example.com"}"#;
    let open = || Request::post("/v1/widget/session", page);
    assert_ne!(up.chatbot(open()).await.status, 200);
    folder.json(&["domains", "set-origins", "example.com", "https://www.example.com"]);
    assert_eq!(up.chatbot(open()).await.status, 200);
    folder.json(&["domains", "set-origins", "example.com"]);
    assert_ne!(up.chatbot(open()).await.status, 200);
    assert_eq!(up.stop(), Some(0));
}

/// How often the process is killed: more often in a build with `CONFORMANCE_KILLS`.
fn kills() -> usize {
    option_env!("CONFORMANCE_KILLS").map_or(30, |kills| kills.parse().unwrap())
}
/// The longest that an acknowledgement is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a writer says before and after each write.
enum Word {
    /// A user was made.
    User(String),
    /// A key was made: its id and its secret.
    Made(String, String),
    /// A key is about to be rotated or revoked.
    Trying(String),
    /// It got this secret.
    Rotated(String, String),
    /// It was revoked.
    Revoked(String),
}

/// What was acknowledged of a key.
#[derive(Default)]
struct Life {
    live: Option<String>,
    ended: Vec<String>,
    /// Whether a write was begun and not acknowledged.
    unsure: bool,
    rotations: usize,
    revoked: bool,
}

/// What was acknowledged at all.
#[derive(Default)]
struct Acknowledged {
    users: Vec<String>,
    keys: BTreeMap<String, Life>,
}

impl Acknowledged {
    /// Takes a word in; whether it acknowledges a write.
    fn hear(&mut self, word: Word) -> bool {
        match word {
            Word::User(id) => self.users.push(id),
            Word::Made(id, secret) => self.keys.entry(id).or_default().live = Some(secret),
            Word::Trying(id) => {
                self.keys.entry(id).or_default().unsure = true;
                return false;
            }
            Word::Rotated(id, secret) => {
                let life = self.keys.entry(id).or_default();
                life.ended.extend(life.live.replace(secret));
                (life.unsure, life.rotations) = (false, life.rotations + 1);
            }
            Word::Revoked(id) => {
                let life = self.keys.entry(id).or_default();
                life.ended.extend(life.live.take());
                (life.unsure, life.revoked) = (false, true);
            }
        }
        true
    }
}

/// Where a writer writes, with which key, and to whom it tells of it.
#[derive(Clone)]
struct Writer {
    hub: SocketAddr,
    account: String,
    key: String,
    told: UnboundedSender<Word>,
}

impl Writer {
    /// Sends a request. An answer that was cut off acknowledges nothing.
    async fn send(&self, request: Request, good: u16, member: &str) -> Option<Response> {
        let answer = request.bearer(&self.key).send(self.hub).await.ok()?;
        let whole = answer.status == good && (member.is_empty() || !answer.field(member).is_empty());
        whole.then_some(answer)
    }

    /// Makes users until the process is gone.
    async fn users(self, name: String) -> Option<()> {
        for number in 0.. {
            let body = format!(r#"{{"name":"Alice","email":"alice+{name}.{number}@example.com"}}"#);
            let made = Request::post(&format!("/accounts/{}/users", self.account), &body);
            let made = self.send(made, 201, "user_id").await?;
            self.told.send(Word::User(made.field("user_id"))).ok()?;
        }
        None
    }

    /// Makes keys, rotates two of three and revokes one of three, until the process is gone.
    async fn keys(self) -> Option<()> {
        for number in 0.. {
            let made = Request::post("/api-keys", r#"{"name":"killed","permissions":["call_management"]}"#);
            let made = self.send(made, 201, "key").await?;
            let id = made.field("id");
            self.told.send(Word::Made(id.clone(), made.field("key"))).ok()?;
            if number % 3 > 0 {
                self.told.send(Word::Trying(id.clone())).ok()?;
                let rotated = Request::post(&format!("/api-keys/{id}/rotate"), "{}");
                let secret = self.send(rotated, 200, "key").await?.field("key");
                self.told.send(Word::Rotated(id.clone(), secret)).ok()?;
            }
            if number % 3 > 1 {
                self.told.send(Word::Trying(id.clone())).ok()?;
                let revoke = Request::new("DELETE", &format!("/api-keys/{id}"));
                self.send(revoke, 204, "").await?;
                self.told.send(Word::Revoked(id)).ok()?;
            }
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let folder = Folder::new();
    let mut acknowledged = Acknowledged::default();
    for round in 0..kills() {
        let up = folder.up();
        let (told, mut words) = tokio::sync::mpsc::unbounded_channel();
        let writer = Writer {
            hub: up.hub,
            account: folder.first("account_id"),
            key: folder.first("hub_api_key"),
            told,
        };
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..2 {
            writers.spawn(writer.clone().users(format!("{round}.{number}")));
            writers.spawn(writer.clone().keys());
        }
        drop(writer);
        // Killed in the middle of writing, and not before some was acknowledged: in every other round keys too,
        // for whose acknowledgement the processes that were killed before have to be waited for.
        let (mut heard, mut of_keys) = (0, 0);
        let wanted = 5 + round % 30;
        while heard < wanted || (round % 2 == 0 && of_keys < wanted / 2) {
            let word = tokio::time::timeout(PATIENCE, words.recv()).await;
            let word =
                word.ok().flatten().unwrap_or_else(|| panic!("nothing is acknowledged in round {round}"));
            of_keys += usize::from(!matches!(word, Word::User(_) | Word::Trying(_)));
            heard += usize::from(acknowledged.hear(word));
        }
        up.kill();
        while let Some(late) = words.recv().await {
            acknowledged.hear(late);
        }
        writers.join_all().await;
        // The trail of hundreds of rounds is long: then at every tenth.
        if kills() <= 30 || round % 10 == 0 {
            folder.json(&["audit", "verify"]);
        }
    }
    folder.json(&["audit", "verify"]);
    let up = folder.up();
    holds(&folder, &up, &acknowledged).await;
    assert_eq!(up.stop(), Some(0));
}

/// Every item of a list of the Hub, page by page.
async fn all(up: &Up, key: &str, list: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = up.hub(Request::get(&format!("{list}limit=200{cursor}")).bearer(key)).await.json();
        items.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { return items };
        cursor = format!("&cursor={next}");
    }
}

/// Asserts that all that was acknowledged is there, and its events with it.
async fn holds(folder: &Folder, up: &Up, acknowledged: &Acknowledged) {
    let (account, key) = (folder.first("account_id"), folder.first("hub_api_key"));
    let users = all(up, &key, &format!("/accounts/{account}/users?")).await;
    let users: BTreeSet<_> = users.iter().map(|user| text(user, "user_id")).collect();
    let keys = all(up, &key, "/api-keys?").await;
    let mut events: BTreeMap<(String, String), usize> = BTreeMap::new();
    for found in all(up, &key, "/audit/events?").await {
        let event = &found["event"];
        let about = ["user", "key"].iter().find_map(|kind| event[kind].as_str()).unwrap_or_default();
        *events.entry((text(event, "action"), about.to_owned())).or_default() += 1;
    }
    let told = |action: &str, target: &str| {
        events.get(&(action.to_owned(), target.to_owned())).copied().unwrap_or_default()
    };
    for user in &acknowledged.users {
        assert!(users.contains(user), "{user} was lost");
    }
    // Whatever is stored, acknowledged or not, has its one event, and there is no event of what is not stored.
    for user in &users {
        assert_eq!(told("user.created", user), 1, "{user}");
    }
    for found in &keys {
        let (id, revoked) = (text(found, "id"), !found["revoked_at"].is_null());
        assert_eq!((told("key.created", &id), told("key.revoked", &id)), (1, usize::from(revoked)), "{id}");
    }
    let made = |wanted: &str| events.keys().filter(|(action, _)| action == wanted).count();
    let domain_key = 1; // the chatbot service's, which the Hub does not list
    assert_eq!((made("user.created"), made("key.created")), (users.len(), keys.len() + domain_key));
    let (mut rotated, mut revoked) = (0, 0);
    for (id, life) in &acknowledged.keys {
        for ended in &life.ended {
            assert!(!may_list_calls(up, ended).await, "{id}: an ended secret came back");
        }
        if let Some(live) = life.live.as_ref().filter(|_| !life.unsure) {
            assert!(may_list_calls(up, live).await, "{id}: a live secret was lost");
        }
        // What was begun may have been done, though nobody heard of it.
        let may_be = usize::from(life.unsure);
        assert_eq!(told("key.created", id), 1, "{id}");
        let (rotations, ends) = (told("key.rotated", id), told("key.revoked", id));
        assert!((life.rotations..=life.rotations + may_be).contains(&rotations), "{id}: {rotations}");
        assert!(
            (usize::from(life.revoked)..=usize::from(life.revoked) + may_be).contains(&ends),
            "{id}: {ends}"
        );
        rotated += life.rotations;
        revoked += usize::from(life.revoked);
    }
    let counts = (acknowledged.users.len(), acknowledged.keys.len(), rotated, revoked);
    assert!(counts.0 > kills() && counts.1 > kills() / 2 && rotated > 0 && revoked > 0, "{counts:?}");
}

/// How often a key is used in the time of one flush.
const USES: u64 = 3;

/// What a crash loses of uses, at most, and a little for a slow machine.
const USES_WITHIN: Duration = Duration::from_secs(30 + 5);

#[tokio::test]
async fn a_crash_loses_no_use_that_is_older_than_half_a_minute() {
    let folder = Folder::new();
    let up = folder.up();
    let key = folder.first("hub_api_key");
    for _ in 0..USES {
        assert_eq!(up.hub(Request::get("/calls").bearer(&key)).await.status, 200);
    }
    let used = || {
        let keys = folder.json(&["keys", "list", "--service", "hub"]);
        (keys[0]["use_count"].as_u64().unwrap(), keys[0]["last_used_at"].as_str().map(str::to_owned))
    };
    assert_eq!(used(), (0, None), "no request waits for it to be written");
    let begun = Instant::now();
    while used().0 < USES {
        assert!(begun.elapsed() < USES_WITHIN, "it is not written");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let (count, last) = used();
    assert!(count == USES && last.is_some(), "{count}, {last:?}");
    assert_eq!(up.hub(Request::get("/calls").bearer(&key)).await.status, 200);
    up.kill();
    assert_eq!(used(), (count, last.clone()), "what was written stays, and what was not is lost");
    let up = folder.up();
    assert_eq!(up.hub(Request::get("/calls").bearer(&key)).await.status, 200);
    up.stop();
    let (after, latest) = used();
    assert!(after == USES + 1 && latest > last, "a stop loses none: {after}, {latest:?}");
}

#[tokio::test]
async fn signing_keys_are_listed_and_rotated() {
    let folder = Folder::new();
    let up = folder.up();
    let published = async || {
        let set = up.chatbot(Request::get("/.well-known/jwks.json")).await.json();
        set["keys"].as_array().unwrap().iter().map(|key| text(key, "kid")).collect::<Vec<_>>()
    };
    let listed = || {
        let keys = folder.json(&["signing-keys", "list"]);
        keys.as_array().unwrap().iter().map(|key| text(key, "kid")).collect::<Vec<_>>()
    };
    let first = listed();
    assert_eq!((first.len(), published().await), (1, first.clone()));
    let next = folder.json(&["signing-keys", "rotate", "--algorithm", "ES256"]);
    assert_eq!(listed(), [text(&next, "kid"), first[0].clone()], "newest first");
    assert_eq!(published().await, [first[0].clone(), text(&next, "kid")], "once it has answered");
    let last = folder.json(&["signing-keys", "rotate", "--at-once"]);
    assert_eq!(published().await, [text(&last, "kid")]);
    assert!(
        folder.fails(&["signing-keys", "rotate", "--algorithm", "HS256"]).contains("EdDSA, ES256, RS256")
    );
    assert_eq!(up.stop(), Some(0));
    let keyring = folder.data().join("chatbot.keyring");
    std::fs::rename(&keyring, folder.data().join("elsewhere")).unwrap();
    assert!(folder.fails(&["signing-keys", "rotate"]).contains("the keyring is missing"));
    assert!(!keyring.exists(), "no new one is made beside keys that it would not open");
}
