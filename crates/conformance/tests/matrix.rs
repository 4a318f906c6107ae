//! Every route of both services against every caller, as the oracle says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::{SessionKind, draw_key, draw_session, draw_temp_token},
    policy::{Permission, Permissions},
    service::Service,
};
use auth_web::{Place, Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::{
    client::{Request, Response},
    operator::operator,
    oracle::{self, Caller, Line},
    world::{Holdings, World, permission},
};
use hub_service::Hub;
use std::{collections::BTreeMap, time::Duration};

const HUB: &str = include_str!("../../../conformance/oracle/hub.txt");
const CHATBOT: &str = include_str!("../../../conformance/oracle/chatbot.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_hub_answers_every_caller_as_the_oracle_says() {
    run::<Hub>(&oracle::read(HUB).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_chatbot_service_answers_every_caller_as_the_oracle_says() {
    run::<Chatbot>(&oracle::read(CHATBOT).unwrap()).await;
}

#[test]
fn every_row_has_its_line_and_every_line_its_row() {
    assert_eq!(faults_of_lines::<Hub>(&oracle::read(HUB).unwrap()), Vec::<String>::new());
    assert_eq!(faults_of_lines::<Chatbot>(&oracle::read(CHATBOT).unwrap()), Vec::<String>::new());
}

fn faults_of_lines<S: WebService>(lines: &BTreeMap<String, Line>) -> Vec<String> {
    let mut faults = Vec::new();
    for row in S::TABLE.rows() {
        let spec = &row.spec;
        match lines.get(spec.id) {
            None => faults.push(format!("{} has no line", spec.id)),
            Some(line) => {
                if line.route != format!("{} {}", spec.method.name(), spec.path) {
                    faults.push(format!("{}: the line is for {}", spec.id, line.route));
                }
                if line.needs != row.rule.to_string().replace(' ', "") {
                    faults.push(format!("{}: the table requires {}", spec.id, row.rule));
                }
            }
        }
    }
    let known: Vec<_> = S::TABLE.rows().iter().map(|row| row.spec.id).collect();
    faults
        .extend(lines.keys().filter(|id| !known.contains(&id.as_str())).map(|id| format!("{id} has no row")));
    faults
}

async fn run<S: WebService>(lines: &BTreeMap<String, Line>) {
    let mut faults = Vec::new();
    for row in S::TABLE.rows() {
        let Some(line) = lines.get(row.spec.id) else { continue };
        let good = |caller: &Caller| matches!(caller, Caller::Least | Caller::Allowed);
        let world = World::start().await;
        // Waiting for the end of one credential ends others too: that cell comes last.
        let mut refusals: Vec<_> = line.answers.iter().filter(|(caller, _)| !good(caller)).collect();
        refusals.sort_by_key(|(caller, _)| **caller == Caller::Expired);
        for (caller, status) in refusals {
            cell(&world, row, line, *caller, *status, &mut faults).await;
        }
        world.end().await;
        // What may change things gets a world of its own.
        for (caller, status) in line.answers.iter().filter(|(caller, _)| good(caller)) {
            let world = World::start().await;
            cell(&world, row, line, *caller, *status, &mut faults).await;
            world.end().await;
        }
    }
    assert!(faults.is_empty(), "{} cells are wrong:\n{}", faults.len(), faults.join("\n"));
}

async fn cell<S: WebService>(
    world: &World,
    row: &Row<S>,
    line: &Line,
    caller: Caller,
    expected: u16,
    faults: &mut Vec<String>,
) {
    let credential = credential::<S>(world, row, line, caller).await;
    let (before, trail) = (world.snapshot().await, world.stores.audit.head().await.unwrap().seq);
    let answer =
        request(world, row, S::KIND, credential.as_deref(), caller).send(world.address(S::KIND)).await;
    let answer = answer.unwrap();
    let mut fault = |what: String| faults.push(format!("{} {caller:?}: {what}", row.spec.id));
    if answer.status != expected {
        fault(format!("answered {} instead of {expected}: {}", answer.status, answer.body));
    }
    for what in wrong_form(&answer, S::KIND) {
        fault(what);
    }
    let audited = world.audited_since(trail).await;
    if answer.status >= 400 {
        if world.snapshot().await != before {
            fault("was refused and changed something".to_owned());
        }
        if !audited.is_empty() {
            fault(format!("was refused and left {audited:?}"));
        }
    } else if caller != Caller::Foreign {
        let actions: Vec<_> = audited.iter().map(|(action, _)| action.as_str()).collect();
        if actions != row.spec.audit.into_iter().collect::<Vec<_>>() {
            fault(format!("left {actions:?} in the trail instead of {:?}", row.spec.audit));
        }
    }
    if caller == Caller::Foreign && world.a.marks().iter().any(|mark| answer.body.contains(mark)) {
        fault(format!("showed something of the other tenant: {}", answer.body));
    }
}

/// What is wrong with an answer whoever gets it.
fn wrong_form(answer: &Response, service: Service) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in ["x-request-id", "content-security-policy", "referrer-policy"] {
        if answer.header(name).is_none() {
            wrong.push(format!("lacks {name}"));
        }
    }
    if answer.header("cache-control") != Some("no-store")
        || answer.header("x-content-type-options") != Some("nosniff")
    {
        wrong.push("may be stored or sniffed".to_owned());
    }
    if answer.status >= 400 && answer.header("content-type") != Some("application/problem+json") {
        wrong.push("is no problem+json".to_owned());
    }
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    if answer.status == 401 && !challenge.starts_with(&format!("Bearer realm=\"{service}\"")) {
        wrong.push(format!("challenges with {challenge:?}"));
    }
    if answer.status == 401 {
        let mut body = answer.json();
        body["request_id"] = serde_json::Value::Null;
        let one = serde_json::json!({
            "type": "/docs/problems#unauthenticated", "title": "A valid credential is required", "status": 401,
            "detail": "No valid credential was presented.", "code": "unauthenticated", "request_id": null,
        });
        if body != one {
            wrong.push(format!("is not the one 401: {body}"));
        }
    }
    wrong
}

/// The example of the row, about the first tenant's objects, but for good callers of the second.
fn request<S>(
    world: &World,
    row: &Row<S>,
    service: Service,
    credential: Option<&str>,
    caller: Caller,
) -> Request {
    let spec = &row.spec;
    let mut holdings = world.a.clone();
    if caller == Caller::Foreign && spec.id == "widget_session" {
        holdings.origin.clone_from(&world.b.origin);
    }
    let mut query = spec.query.to_owned();
    let mut headers = Vec::new();
    match (spec.place, credential) {
        (_, None) => query = without_credential(&query),
        (Place::Header, Some(credential)) => headers.push(("Authorization", format!("Bearer {credential}"))),
        (Place::Query(name), Some(credential)) => {
            query = query.replace(&format!("{name}={{temp_token}}"), &format!("{name}={credential}"));
        }
        (Place::Cookie(name), Some(credential)) => headers.push(("Cookie", format!("{name}={credential}"))),
    }
    let target = holdings.fill(service, spec.path);
    let target =
        if query.is_empty() { target } else { format!("{target}?{}", holdings.fill(service, &query)) };
    let mut request = Request::new(spec.method.name(), &target);
    for (name, value) in headers {
        request = request.header(name, &value);
    }
    let body = holdings.fill(service, spec.body);
    if body.starts_with('{') {
        request = request.json(&body);
    } else if !body.is_empty() {
        request = request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Sec-Fetch-Site", "same-origin");
        request.body = body;
    }
    request
}

fn without_credential(query: &str) -> String {
    query.split('&').filter(|pair| !pair.contains("{temp_token}")).collect::<Vec<_>>().join("&")
}

/// A credential of the kind that the route takes, in the caller's state.
async fn credential<S: WebService>(
    world: &World,
    row: &Row<S>,
    line: &Line,
    caller: Caller,
) -> Option<String> {
    let entropy = world.hub_platform.entropy.as_ref();
    let kind = kind_of(row, line);
    Some(match caller {
        Caller::None => return None,
        Caller::Malformed => "avk_notacredential".to_owned(),
        Caller::Unknown => {
            let drawn = match kind {
                Kind::Key | Kind::Any => draw_key(S::KIND, entropy).0,
                Kind::Temp => draw_temp_token(entropy),
                Kind::Widget => draw_session(SessionKind::Widget, entropy),
                Kind::Chat => draw_session(SessionKind::Chat, entropy),
            };
            drawn.reveal().expose().to_owned()
        }
        Caller::Expired => ended(world, S::KIND, kind, true).await,
        Caller::Revoked => ended(world, S::KIND, kind, false).await,
        Caller::OtherKind => match (S::KIND, kind) {
            (Service::Hub, _) | (Service::Chatbot, Kind::Key) => world.a.temp.0.clone(),
            (Service::Chatbot, Kind::Any) => world.a.widget.0.clone(),
            (Service::Chatbot, _) => world.a.domain_key.clone(),
        },
        Caller::OtherService => match S::KIND {
            Service::Hub => world.a.domain_key.clone(),
            Service::Chatbot => world.a.hub_key.clone(),
        },
        Caller::Lacking => {
            let needed = permission(line.permission()?);
            key(world, S::KIND, Permissions::all_of(S::KIND).iter().filter(|held| *held != needed)).await
        }
        Caller::Least => match line.permission() {
            Some(name) => key(world, S::KIND, [permission(name)].into_iter()).await,
            None => own(&world.a, S::KIND, kind),
        },
        Caller::Foreign => own(&world.b, S::KIND, kind),
        Caller::Allowed => own(&world.a, S::KIND, kind),
    })
}

/// The kind of credential that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Temp,
    Widget,
    Chat,
    /// A key or a temporary token; a public route takes nothing, and is shown this.
    Any,
}

fn kind_of<S>(row: &Row<S>, line: &Line) -> Kind {
    match (row.spec.place, line.needs.as_str()) {
        (_, "temp") => Kind::Temp,
        (_, "widget") => Kind::Widget,
        (_, "chat") => Kind::Chat,
        (_, needs) if needs.contains('|') => Kind::Any,
        _ => Kind::Key,
    }
}

fn own(holdings: &Holdings, service: Service, kind: Kind) -> String {
    match (kind, service) {
        (Kind::Key | Kind::Any, Service::Hub) => holdings.hub_key.clone(),
        (Kind::Key | Kind::Any, Service::Chatbot) => holdings.domain_key.clone(),
        (Kind::Temp, _) => holdings.temp.0.clone(),
        (Kind::Widget, _) => holdings.widget.0.clone(),
        (Kind::Chat, _) => holdings.chat.clone(),
    }
}

async fn key(world: &World, service: Service, held: impl Iterator<Item = Permission>) -> String {
    let tenant = world.tenant_of(&world.a, service).await;
    world.key(service, tenant, held.collect(), None).await.0
}

/// A credential of the first tenant whose time is over, or that was revoked by itself or with its parent.
async fn ended(world: &World, service: Service, kind: Kind, expired: bool) -> String {
    let tenant = world.tenant_of(&world.a, service).await;
    let all = Permissions::all_of(service);
    let soon = auth_core::time::Clock::now(&world.clock) + Duration::from_secs(60);
    let (secret, id) = world.key(service, tenant, all, expired.then_some(soon)).await;
    let credential = match kind {
        Kind::Key | Kind::Any => secret,
        Kind::Temp => world.temp(&secret, 1).await.0,
        Kind::Chat => {
            let temp = world.temp(&secret, 1).await.0;
            let opened = world.chatbot(Request::get(&format!("/autoconnect?token={temp}"))).await;
            opened.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned()
        }
        Kind::Widget if expired => return expired_widget(world).await,
        Kind::Widget => return revoked_widget(world).await,
    };
    if expired {
        world.advance(Duration::from_secs(60)).await;
    } else {
        world.revoke(service, &id).await;
    }
    credential
}

async fn open_widget(world: &World) -> Response {
    let body = format!(r#"{{"tenant":"{}","origin":"{}"}}"#, world.a.domain, world.a.origin);
    world.chatbot(Request::post("/v1/widget/session", &body)).await
}

/// The other sessions of the world end with it: they are not asked for any more in this row.
async fn expired_widget(world: &World) -> String {
    let opened = open_widget(world).await;
    world.advance(Duration::from_secs(3600)).await;
    opened.field("token")
}

async fn revoked_widget(world: &World) -> String {
    let opened = open_widget(world).await;
    let id = opened.field("session_id").parse().unwrap();
    auth_core::flow::revoke_token(&world.chatbot_platform, &operator(), id).await.unwrap();
    opened.field("token")
}
