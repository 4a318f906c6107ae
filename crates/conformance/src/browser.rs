//! A real browser: Debian's `chromium`, driven by its `chromedriver` over WebDriver (W3C), without a screen. Both are
//! processes that end with this, and work in a folder of their own.

use crate::{client::Response, servers::NotRun};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// The longest that anything is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// The name under which WebDriver hands an element out.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub struct Browser {
    driver: Driver,
    session: String,
}

/// The process that drives it. Whatever is started in its folder ends with it.
struct Driver {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // They may have ended already.
        for process in browsers_of(&self.dir) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes of a browser that works in a folder, which is named in how they were started.
#[expect(clippy::disallowed_methods, reason = "the kernel says which processes there are")]
fn browsers_of(dir: &TempDir) -> Vec<rustix::process::Pid> {
    let named = format!("--user-data-dir={}", dir.path().display());
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = |id: &i32| {
        let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == named.as_bytes())
    };
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(ours);
    ids.filter_map(rustix::process::Pid::from_raw).collect()
}

impl Driver {
    fn start() -> Result<Self, NotRun> {
        for program in ["chromium", "chromedriver"] {
            let there = Command::new(program).arg("--version").output();
            if !there.is_ok_and(|output| output.status.success()) {
                return Err(NotRun(format!("there is no {program} on this machine")));
            }
        }
        let dir = tempfile::tempdir().unwrap();
        // In a group of its own: what ends a test in a terminal leaves it to this.
        let mut child = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .env("HOME", dir.path())
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| NotRun(format!("chromedriver: {error}")))?;
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = told.find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        // The rest is read, so that it can go on writing.
        std::thread::spawn(move || told.for_each(drop));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_default()));
        let driver = Self { child, address, dir };
        if port.is_some() { Ok(driver) } else { Err(NotRun("chromedriver names no port".to_owned())) }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        let answer = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut heard = Vec::new();
            loop {
                if let Some(answer) = whole(&heard) {
                    return answer;
                }
                let read = stream.read_buf(&mut heard).await.unwrap();
                assert!(read > 0, "the driver broke off: {}", String::from_utf8_lossy(&heard));
            }
        };
        tokio::time::timeout(LONGEST, answer).await.unwrap_or_else(|_| panic!("no answer to {method} {path}"))
    }
}

/// An answer of the driver, once it is there: it keeps connections open, whatever it says of them.
fn whole(heard: &[u8]) -> Option<Response> {
    let answer = Response::parse(heard)?;
    let head = String::from_utf8_lossy(heard).to_lowercase();
    let length: usize = head.split("content-length:").nth(1)?.lines().next()?.trim().parse().ok()?;
    (answer.body.len() >= length).then_some(answer)
}

impl Browser {
    /// Starts one, in which pages run no script unless they may.
    ///
    /// # Errors
    /// There is none on this machine, or it does not start.
    pub async fn start(script: bool) -> Result<Self, NotRun> {
        let driver = Driver::start()?;
        let profile = driver.dir.path().display();
        let (allowed, forbidden) = (1, 2);
        let setting = if script { allowed } else { forbidden };
        let options = json!({
            // Of who may do everything on a machine, the browser keeps nothing away by itself.
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                format!("--user-data-dir={profile}"),
            ],
            "prefs": { "profile.managed_default_content_settings.javascript": setting },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let begun = driver.ask("POST", "/session", Some(&wanted)).await;
        match begun.json()["value"]["sessionId"].as_str() {
            Some(session) => Ok(Self { session: format!("/session/{session}"), driver }),
            None => Err(NotRun(format!("chromium does not start: {}", begun.body))),
        }
    }

    /// Does something, which must succeed; what comes of it.
    async fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.driver.ask(method, &format!("{}{path}", self.session), body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()["value"].take()
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) {
        self.done("POST", "/url", Some(&json!({ "url": address }))).await;
    }

    /// The address of the page that is open.
    pub async fn address(&self) -> String {
        self.done("GET", "/url", None).await.as_str().unwrap().to_owned()
    }

    /// The title of it.
    pub async fn title(&self) -> String {
        self.done("GET", "/title", None).await.as_str().unwrap().to_owned()
    }

    /// What stands in it.
    pub async fn source(&self) -> String {
        self.done("GET", "/source", None).await.as_str().unwrap().to_owned()
    }

    /// The elements that a selector of CSS names.
    async fn all(&self, selector: &str) -> Vec<String> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.done("POST", "/elements", Some(&wanted)).await;
        found.as_array().unwrap().iter().map(|one| one[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    /// How many elements a selector names.
    pub async fn count(&self, selector: &str) -> usize {
        self.all(selector).await.len()
    }

    /// The only element that a selector names.
    async fn one(&self, selector: &str) -> String {
        let mut found = self.all(selector).await;
        assert_eq!(found.len(), 1, "{selector} in {}", self.source().await);
        found.remove(0)
    }

    /// The text of an element, as it is seen.
    pub async fn text(&self, selector: &str) -> String {
        let path = format!("/element/{}/text", self.one(selector).await);
        self.done("GET", &path, None).await.as_str().unwrap().to_owned()
    }

    /// Types into a field what stands there then alone.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.one(selector).await;
        self.done("POST", &format!("/element/{field}/clear"), Some(&json!({}))).await;
        self.done("POST", &format!("/element/{field}/value"), Some(&json!({ "text": text }))).await;
    }

    /// Clicks the button of a form.
    pub async fn click(&self, form: &str) {
        let button = self.one(&format!("{form} button")).await;
        self.done("POST", &format!("/element/{button}/click"), Some(&json!({}))).await;
    }

    /// Waits until an element says something, and what.
    pub async fn until_told(&self, selector: &str) -> String {
        let until = Instant::now() + LONGEST;
        loop {
            let told = self.text(selector).await;
            if !told.is_empty() {
                return told;
            }
            assert!(Instant::now() < until, "{selector} says nothing: {}", self.source().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Clicks the button of a form, and waits for the page that it leads to.
    pub async fn send(&self, form: &str) {
        self.press(&format!("{form} button")).await;
    }

    /// Clicks a button, and waits for the page that it leads to.
    pub async fn press(&self, button: &str) {
        let before = self.one("html").await;
        let found = self.one(button).await;
        self.done("POST", &format!("/element/{found}/click"), Some(&json!({}))).await;
        let until = Instant::now() + LONGEST;
        // Once another page is there, the one of before is not.
        while self.all("html").await.contains(&before) || self.count("main").await == 0 {
            assert!(Instant::now() < until, "{button} leads nowhere: {}", self.source().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Gives it an authenticator that verifies its user, who consents to all that is asked for (WebAuthn §11.3).
    pub async fn with_authenticator(&self) {
        let wanted = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.done("POST", "/webauthn/authenticator", Some(&wanted)).await;
    }

    /// Looks into the only frame of the page from now on.
    pub async fn enter_frame(&self) {
        self.done("POST", "/frame", Some(&json!({ "id": 0 }))).await;
    }

    /// Its cookies for the page that is open.
    pub async fn cookies(&self) -> Vec<Value> {
        self.done("GET", "/cookie", None).await.as_array().unwrap().clone()
    }

    /// What it has to say against pages since it was asked last: all that breaks their policy, too.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.done("POST", "/se/log", Some(&json!({ "type": "browser" }))).await;
        log.as_array().unwrap().iter().map(|line| line["message"].to_string()).collect()
    }

    /// Ends it.
    pub async fn end(self) {
        self.done("DELETE", "", None).await;
    }
}
