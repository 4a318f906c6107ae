//! `up --with-demo-provider` and `vault rekey`: a newcomer links a calendar without an account anywhere, and the vault is
//! sealed anew beside services that run.

use crate::program::{Folder, Up, text};
use conformance::{
    client::{Request, Response},
    hidden::Hidden,
};
use serde_json::Value;
use std::{io::Write as _, net::SocketAddr};

/// What a provider says of an error.
const DESCRIPTION: &str = "canary-description";

/// Both services beside the demo provider, which log everything to a file.
fn up(folder: &Folder, log: &str) -> Up {
    folder.up_with(|command| {
        command.args(["--with-demo-provider", "--demo-provider-listen", "127.0.0.1:0"]);
        command.args(["--demo-application-listen", "127.0.0.1:0"]).env("RUST_LOG", "trace");
        command.stderr(std::fs::File::create(log).unwrap());
    })
}

/// The value of a parameter of an address.
fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name} in {url}")).to_owned()
}

/// Where an address of this machine is, and what is asked for there.
fn split(url: &str) -> (SocketAddr, String) {
    let rest = url.strip_prefix("http://localhost:").unwrap();
    let (port, target) = rest.split_once('/').unwrap();
    (SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())), format!("/{target}"))
}

/// A browser without a screen: it follows what it is told, and keeps its one cookie, which knows no ports.
struct Browser {
    application: String,
    cookie: String,
    /// What went by way of it that nobody may see again.
    secrets: Vec<String>,
}

impl Browser {
    async fn send(&mut self, url: &str, request: impl Fn(&str) -> Request) -> Response {
        let (at, target) = split(url);
        let host = format!("localhost:{}", at.port());
        let mut request = request(&target);
        if !self.cookie.is_empty() {
            request = request.header("Cookie", &self.cookie);
        }
        let answer = request.send_as(&host, at).await.unwrap();
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().unwrap().to_owned();
        }
        answer
    }

    async fn get(&mut self, url: &str) -> Response {
        self.send(url, Request::get).await
    }

    async fn post(&mut self, url: &str, form: &str) -> Response {
        self.send(url, |target| {
            let mut request = Request::new("POST", target);
            request.body = form.to_owned();
            request
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("Sec-Fetch-Site", "same-origin")
        })
        .await
    }

    /// Begins to link a calendar, and comes back to the Hub from a provider that declines, in words of its own.
    async fn decline(&mut self, hub: SocketAddr) -> Response {
        let begun = self.post(&format!("{}/link/google", self.application), "").await;
        let state = parameter(begun.header("location").unwrap(), "state");
        let error = format!("access_denied&error_description=%3Cscript%3E{DESCRIPTION}%3C%2Fscript%3E");
        let back = format!("http://localhost:{}/oauth/google/callback", hub.port());
        let declined = self.get(&format!("{back}?error={error}&state={state}")).await;
        self.secrets.extend([state, DESCRIPTION.to_owned()]);
        declined
    }

    /// Links a calendar, as Alice; the page at the end.
    async fn link(&mut self, provider: &str) -> Response {
        let begun = self.post(&format!("{}/link/{provider}", self.application), "").await;
        assert_eq!(begun.status, 303, "{}", begun.body);
        let asks = begun.header("location").unwrap().to_owned();
        self.secrets.extend(["state", "nonce"].map(|name| parameter(&asks, name)));
        self.secrets.push(self.cookie.split('=').nth(1).unwrap().to_owned());
        let consent = self.get(&asks).await;
        assert_eq!(consent.status, 200, "{}", consent.body);
        let request =
            consent.body.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let (at, _) = split(&asks);
        let form = format!("request={request}&account=alice%40example.com");
        let back = self.post(&format!("http://localhost:{}/consent", at.port()), &form).await;
        assert_eq!(back.status, 303, "{}", back.body);
        let back = back.header("location").unwrap().to_owned();
        self.secrets.push(parameter(&back, "code"));
        let linked = self.get(&back).await;
        assert_eq!(linked.status, 303, "{}", linked.body);
        let home = linked.header("location").unwrap().to_owned();
        assert_eq!(home, format!("{}/", self.application));
        self.get(&home).await
    }
}

#[tokio::test]
async fn a_newcomer_links_a_calendar_and_the_vault_is_sealed_anew_meanwhile() {
    let folder = Folder::new();
    let log = folder.file("log", "");
    let running = up(&folder, &log);
    let application = text(&running.started, "application");
    let mut browser = Browser { application, cookie: String::new(), secrets: Vec::new() };
    let declined = browser.decline(running.hub).await;
    assert_eq!((declined.status, declined.field("code").as_str()), (400, "not_connected"), "{declined:?}");
    assert!(!format!("{declined:?}").contains(DESCRIPTION), "{declined:?}");
    for provider in ["google", "microsoft"] {
        let home = browser.link(provider).await;
        assert!(home.body.contains("alice@example.com"), "{}", home.body);
        let events = browser.get(&format!("{}/events/{provider}", browser.application)).await;
        assert_eq!(events.status, 200, "{}", events.body);
    }
    let (key, account) = (folder.first("hub_api_key"), folder.first("account_id"));
    let users = Request::get(&format!("/accounts/{account}/users")).bearer(&key);
    let user = text(&running.hub(users).await.json()["items"][0], "user_id");
    for provider in ["google", "microsoft"] {
        let token = format!("/accounts/{account}/users/{user}/calendar/{provider}/token");
        let given = running.hub(Request::new("POST", &token).bearer(&key)).await;
        browser.secrets.push(given.field("access_token"));
    }
    // A new line of the keyring, and everything is sealed with it.
    let keyring = folder.data().join("hub.keyring");
    let before = folder.json(&["vault", "rekey"]);
    assert_eq!((&before["resealed"], &before["needed"]), (&Value::from(0), &Value::Array(Vec::new())));
    let mut file = std::fs::OpenOptions::new().append(true).open(&keyring).unwrap();
    writeln!(file, "{}", "5e".repeat(32)).unwrap();
    let done = folder.json(&["vault", "rekey"]);
    assert_eq!((&done["resealed"], &done["unopened"]), (&Value::from(2), &Value::Array(Vec::new())));
    assert_ne!(done["key"], before["key"]);
    // The services go on, and so they do with the new line alone.
    for provider in ["google", "microsoft"] {
        let events = browser.get(&format!("{}/events/{provider}", browser.application)).await;
        assert_eq!(events.status, 200, "{}", events.body);
    }
    std::fs::write(&keyring, format!("{}\n", "5e".repeat(32))).unwrap();
    assert_eq!(folder.json(&["vault", "rekey"])["resealed"], 0);
    let listed = folder.json(&["audit", "list", "--action", "vault.rekeyed"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    // Figures are those of a service that runs alone: its tests look for secrets in them.
    assert_eq!(running.hub(Request::get("/metrics")).await.status, 404);
    assert_eq!(running.stop(), Some(0));
    let hidden = Hidden::of(browser.secrets);
    assert!(hidden.count() >= 10, "{}", hidden.count());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("oauth_callback"), "requests are logged");
    assert_eq!(hidden.shown_in(&logged), None, "a secret is logged");
    let trail = folder.json(&["audit", "list", "--limit", "200"]);
    assert_eq!(hidden.shown_in(&trail.to_string()), None, "a secret is in the trail");
    assert!(trail.to_string().contains("calendar.not_connected"), "{trail}");
    for file in std::fs::read_dir(folder.data()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(hidden.held_by(&std::fs::read(&path).unwrap()), None, "{}", path.display());
    }
    // Another key opens nothing, and says so.
    std::fs::write(&keyring, format!("{}\n", "6f".repeat(32))).unwrap();
    let refused = folder.fails(&["vault", "rekey"]);
    assert!(refused.contains("restore the keyring"), "{refused}");
}

#[tokio::test]
async fn the_demo_needs_the_first_keys() {
    let folder = Folder::new();
    assert_eq!(folder.up().stop(), Some(0));
    std::fs::remove_file(folder.data().join("bootstrap.json")).unwrap();
    let any = ["--hub-listen", "127.0.0.1:0", "--chatbot-listen", "127.0.0.1:0"];
    let refused = folder.run(&[&["up", "--with-demo-provider"][..], &any].concat());
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8_lossy(&refused.stderr).lines().last().unwrap().to_owned();
    assert!(refused.contains("bootstrap.json"), "{refused}");
}
