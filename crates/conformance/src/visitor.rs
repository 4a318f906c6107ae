//! A browser without script, as far as the login page can tell: it keeps cookies, and says where its requests come from.

use crate::{
    caller::form,
    client::{Request, Response},
    world::{Person, World},
};
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What browsers ask for that lead somebody to a page.
pub const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A browser: it keeps cookies, and says where its requests come from.
pub struct Visitor<'a> {
    world: &'a World,
    cookies: BTreeMap<String, String>,
}

impl<'a> Visitor<'a> {
    /// One that comes for the first time.
    pub const fn new(world: &'a World) -> Self {
        Self { world, cookies: BTreeMap::new() }
    }

    /// One that is in a session.
    pub fn within(world: &'a World, page: &str) -> Self {
        let cookies = [("__Host-session".to_owned(), page.to_owned())].into();
        Self { world, cookies }
    }

    /// Asks for a page.
    pub async fn get(&mut self, path: &str) -> Response {
        self.send(Request::get(path)).await
    }

    /// Sends a form of our own pages.
    pub async fn post(&mut self, path: &str, fields: &str) -> Response {
        let own = format!("http://{}", self.world.chatbot);
        self.send(form(path, fields).header("Origin", &own).header("Sec-Fetch-Site", "same-origin")).await
    }

    async fn send(&mut self, request: Request) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header("Accept", HTML);
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies.join("; "));
        }
        let answer = self.world.chatbot(request).await;
        self.keep(&answer);
        assert_eq!(wrong(&answer), [""; 0], "{answer:?}");
        answer
    }

    /// Keeps what an answer sets, as RFC 6265bis §5.7 says.
    fn keep(&mut self, answer: &Response) {
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, attributes) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let attributes: Vec<_> = attributes.split("; ").collect();
            for expected in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
                assert!(attributes.contains(&expected), "{line}");
            }
            assert!(name.starts_with("__Host-") && !line.contains("Domain"), "{line}");
            if attributes.contains(&"Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The cookie of its session.
    pub fn session(&self) -> Option<String> {
        self.cookies.get("__Host-session").cloned()
    }

    /// How many cookies it keeps.
    pub fn count(&self) -> usize {
        self.cookies.len()
    }

    /// Logs somebody in by their password, and by a code where one is asked for; where that leads.
    pub async fn log_in(&mut self, person: &Person, code: Option<&str>) -> Response {
        let fields = format!("email={}&password={}&domain=", person.email, person.password);
        let answer = self.post("/login", &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        match code {
            Some(code) => {
                assert_eq!(answer.header("location"), Some("/login/factor"));
                self.post("/login/factor", &format!("code={code}")).await
            }
            None => answer,
        }
    }
}

/// Where answers of the page may lead: nowhere that anybody names.
const PLACES: [&str; 3] = ["/login", "/login/factor", "/account"];

/// A page but for the script that stands in it, and that.
fn without_script(page: &str) -> (String, Option<&str>) {
    let Some((before, rest)) = page.split_once("<script>") else { return (page.to_owned(), None) };
    let (script, after) = rest.split_once("</script>").unwrap();
    (format!("{before}{after}"), Some(script))
}

/// What is wrong with an answer of the page, whatever it says.
pub fn wrong(answer: &Response) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |name: &str, value: &str| {
        if answer.header(name) != Some(value) {
            wrong.push(format!("{name} is {:?}", answer.header(name)));
        }
    };
    expect("cache-control", "no-store");
    expect("x-content-type-options", "nosniff");
    if answer.status == 303 {
        expect("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
        expect("referrer-policy", "no-referrer");
    } else {
        expect("content-type", "text/html; charset=utf-8");
        expect("referrer-policy", "same-origin");
        expect("cross-origin-opener-policy", "same-origin");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        let hashed =
            |part: &&str| part.starts_with("style-src 'sha256-") || part.starts_with("script-src 'sha256-");
        let parts: Vec<_> = policy.split("; ").filter(|part| !hashed(part)).collect();
        let others = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        if parts.join("; ") != others || policy.matches("style-src").count() != 1 {
            wrong.push(format!("has the policy {policy}"));
        }
        // A script stands in the page as its policy names it, and nothing else runs.
        let (rest, script) = without_script(&answer.body);
        let named =
            script.map(|text| format!("script-src 'sha256-{}'", BASE64.encode(&Sha256::digest(text))));
        if policy.split("; ").find(|part| part.starts_with("script-src")) != named.as_deref() {
            wrong.push(format!("has the policy {policy} and the script {script:?}"));
        }
        let body = rest.to_lowercase();
        // What stands between tags is text.
        let tags = body.split('<').skip(1).filter_map(|tag| tag.split('>').next());
        for tag in tags {
            let is_active =
                ["script", "img", "link", "iframe", "object"].iter().any(|name| tag.starts_with(name));
            // What stands within quotation marks is a value.
            let names: String = tag.split('"').step_by(2).collect();
            let runs = names.contains(" style=") || names.contains(" on") || tag.contains("javascript:");
            // But for the name of what an SVG is.
            let loads = tag.replace("http://www.w3.org/2000/svg", "").contains("//");
            if is_active || runs || loads {
                wrong.push(format!("holds <{tag}>"));
            }
        }
        for always in ["<!doctype html>", "<html lang=\"en\">", "<title>", "<h1>"] {
            if !body.contains(always) {
                wrong.push(format!("lacks {always}"));
            }
        }
        if answer.status >= 400 && !body.contains("role=\"alert\"") {
            wrong.push("says nothing of what is wrong".to_owned());
        }
        // Each field that is seen has its label.
        let fields = body.split("<input ").skip(1).filter_map(|field| field.split('>').next());
        let seen = |field: &&str| !field.ends_with(" hidden") && !field.contains("type=\"hidden\"");
        for field in fields.filter(seen) {
            let id = field.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            if !body.contains(&format!("<label for=\"{id}\">")) {
                wrong.push(format!("{id} has no label"));
            }
        }
    }
    if let Some(location) = answer.header("location").filter(|location| !PLACES.contains(location)) {
        wrong.push(format!("leads to {location}"));
    }
    if answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")) {
        wrong.push("is for other pages to read".to_owned());
    }
    wrong
}
