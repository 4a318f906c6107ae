//! Every route of both services against every caller, as the oracle says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    id::{AccountId, CallId, KeyId, PersonId, SessionId, TokenId, UserId},
    policy::{Permission, Permissions},
    service::Service,
    time::Clock as _,
};
use auth_web::{Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{
    caller::{Kind, damaged, request, wrong_form},
    client::{Request, Response},
    oracle::{self, Caller, Line},
    world::{Holdings, Person, World, permission},
};
use hub_service::Hub;
use std::{collections::BTreeMap, time::Duration};

const HUB: &str = include_str!("../../../../conformance/oracle/hub.txt");
const CHATBOT: &str = include_str!("../../../../conformance/oracle/chatbot.txt");

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

#[test]
fn a_line_of_dashes_is_a_fault() {
    let dashes = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().take(5).collect();
        format!("{} {}", columns.join(" "), ["-"; 11].join(" "))
    };
    for (id, left) in [("call_read", 11), ("health_live", 9)] {
        let line = HUB.lines().find(|line| line.starts_with(id)).unwrap();
        let read = oracle::read(&dashes(line)).unwrap();
        assert_eq!(read[id].left_out().len(), left, "{id}");
    }
}

fn faults_of_lines<S: WebService>(lines: &BTreeMap<String, Line>) -> Vec<String> {
    let mut faults = Vec::new();
    for row in S::TABLE.rows() {
        let spec = &row.spec;
        let Some(line) = lines.get(spec.id) else {
            faults.push(format!("{} has no line", spec.id));
            continue;
        };
        if line.route != format!("{} {}", spec.method.name(), spec.path) {
            faults.push(format!("{}: the line is for {}", spec.id, line.route));
        }
        if line.needs != row.rule.to_string().replace(' ', "") {
            faults.push(format!("{}: the table requires {}", spec.id, row.rule));
        }
        if line.audit.as_deref() != spec.audit {
            faults.push(format!("{}: the table says that it leaves {:?}", spec.id, spec.audit));
        }
        if !line.left_out().is_empty() {
            faults.push(format!("{}: nothing, or too much, is said of {:?}", spec.id, line.left_out()));
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
        let cells = cells(row, line);
        let good = |caller: Caller| matches!(caller, Caller::Least | Caller::Allowed);
        let world = World::start().await;
        // Waiting for the end of one credential ends others too: those cells come last.
        let mut refusals: Vec<_> = cells.iter().filter(|cell| !good(cell.caller)).collect();
        refusals.sort_by_key(|cell| cell.caller == Caller::Expired);
        for cell in refusals {
            cell.hold(&world, row, line, &mut faults).await;
        }
        world.end().await;
        // What may change things gets a world of its own.
        for cell in cells.iter().filter(|cell| good(cell.caller)) {
            let world = World::start().await;
            cell.hold(&world, row, line, &mut faults).await;
            world.end().await;
        }
    }
    assert!(faults.is_empty(), "{} cells are wrong:\n{}", faults.len(), faults.join("\n"));
}

/// A caller with one kind of credential.
#[derive(Debug, Clone, Copy)]
struct Cell {
    caller: Caller,
    kind: Kind,
    expected: u16,
}

/// The cells of a line: a caller comes with each kind of credential that is its own.
fn cells<S: WebService>(row: &Row<S>, line: &Line) -> Vec<Cell> {
    let (service, taken) = (S::KIND, Kind::of_row(row));
    // A public route is shown a key.
    let shown = if taken.is_empty() { vec![Kind::Key] } else { taken.clone() };
    let mut cells = Vec::new();
    for (&caller, &expected) in &line.answers {
        let kinds = match caller {
            Caller::None | Caller::OtherService => vec![Kind::Key],
            Caller::Lacking => lacking(line, &taken),
            Caller::Foreign => shown.iter().copied().filter(|kind| *kind != Kind::SuperAdmin).collect(),
            // A person is of another kind than none of a person's: which proof is missing, the challenge says.
            Caller::OtherKind => {
                let alike = |one: Kind, other: Kind| {
                    one == other || one.is_person() && other.is_person() || one.is_page() && other.is_page()
                };
                let same = |kind: &Kind| shown.iter().any(|one| alike(*one, *kind));
                Kind::ALL.into_iter().filter(|kind| !same(kind)).collect()
            }
            // The permission alone says nothing of those that hold none.
            Caller::Least => vec![if taken.contains(&Kind::Key) { Kind::Key } else { shown[0] }],
            _ => shown.clone(),
        };
        // A good credential that the Hub knows is not needed there.
        let own = |kind: Kind| service == Service::Hub && matches!(kind, Kind::Key | Kind::SuperAdmin);
        let expects = |kind: Kind| match (caller, expected) {
            (Caller::OtherKind, 401) if own(kind) => 403,
            // A page's cookie is a credential at the pages alone.
            (Caller::OtherKind, 403) if kind.is_page() => 401,
            _ => expected,
        };
        cells.extend(kinds.into_iter().map(|kind| Cell { caller, kind, expected: expects(kind) }));
    }
    cells
}

/// The kinds that can lack what a line needs: a permission, or a role.
fn lacking(line: &Line, taken: &[Kind]) -> Vec<Kind> {
    let by_key = line.permission().map(|_| Kind::Key);
    let by_role = line.needs.contains("jwt(");
    let owner = (by_role && !taken.contains(&Kind::Owner)).then_some(Kind::Owner);
    by_key.into_iter().chain(by_role.then_some(Kind::Strong)).chain(owner).collect()
}

impl Cell {
    async fn hold<S: WebService>(&self, world: &World, row: &Row<S>, line: &Line, faults: &mut Vec<String>) {
        let credential = self.credential::<S>(world, line).await;
        let mut holdings = self.about(world, row, &world.a);
        if ["refresh", "revoke"].contains(&row.spec.id) {
            // What was used a minute ago is used no more.
            holdings.person = world.log_in(&holdings).await;
        }
        if row.spec.body.contains("{passkey}") && matches!(self.caller, Caller::Foreign | Caller::Allowed) {
            // Nor what was answered to a challenge that is over.
            holdings.person = world.registering(holdings.person).await;
        }
        if ["mfa_verify", "mfa_webauthn_challenge", "page_factor"].contains(&row.spec.id) {
            // And no code twice.
            world.advance(Duration::from_secs(60)).await;
            holdings.strong = world.pending(&holdings.strong).await;
        }
        if ["email_verify", "password_reset"].contains(&row.spec.id) {
            // Nor a token that was mailed.
            holdings.person = world.mailed(holdings.person).await;
        }
        if row.spec.id == "oauth_callback" {
            // Nor what a browser brought.
            let (key, user) = (&world.a.hub_key, &world.a.user_id);
            holdings.arrival = world.arriving(key, user, "microsoft", "bob-a").await;
        }
        let send = async |request: Request| request.send(world.address(S::KIND)).await.unwrap();
        let (before, trail) = (world.dump().await, world.stores.audit.head().await.unwrap().seq);
        let answer = send(request(row, &holdings, credential.as_deref())).await;
        let mut wrong = wrong_form(&answer, S::KIND);
        if answer.status != self.expected {
            wrong.push(format!("answered {} instead of {}: {}", answer.status, self.expected, answer.body));
        }
        wrong.extend(self.wrong_challenge(&answer, line, S::KIND));
        let changed = changes(&before, &world.dump().await);
        let audited = world.audited_since(trail).await;
        let actions: Vec<_> = audited.into_iter().map(|(action, _)| action).collect();
        let promised = line.audit.iter().chain(&line.then).filter(|_| answer.status < 400);
        let promised: Vec<_> = promised.cloned().collect();
        if actions != promised {
            wrong.push(format!("left {actions:?} in the trail instead of {promised:?}"));
        }
        if promised.is_empty() != changed.is_empty() {
            wrong.push(format!("changed {changed:#?}"));
        }
        if self.caller == Caller::Foreign {
            if world.a.marks().iter().any(|mark| answer.body.contains(mark)) {
                wrong.push(format!("showed something of the other tenant: {}", answer.body));
            }
            // Of a public route nobody's credential is read, so nothing that it does is another tenant's doing.
            if line.needs != "public" {
                wrong.extend(touched(world, &changed).await);
            }
            if answer.status == 404 {
                let absent = self.about(world, row, &nobodys(world));
                let other = send(request(row, &absent, credential.as_deref())).await;
                if told(&answer) != told(&other) {
                    wrong.push(format!("tells a foreign object from an absent one: {other:?}"));
                }
            }
        }
        faults.extend(wrong.iter().map(|what| format!("{} {self:?}: {what}", row.spec.id)));
    }

    /// What the request is about: the page of a foreign caller is another tenant's.
    fn about<S>(&self, world: &World, row: &Row<S>, owner: &Holdings) -> Holdings {
        let mut holdings = owner.clone();
        if self.caller == Caller::Foreign && row.spec.id == "widget_session" {
            holdings.origin.clone_from(&world.b.origin);
        }
        holdings
    }

    /// The challenge says whether a credential was sent, and what a good one lacks (RFC 6750 §3).
    fn wrong_challenge(&self, answer: &Response, line: &Line, service: Service) -> Option<String> {
        let realm = format!("Bearer realm=\"{service}\"");
        let expected = match answer.status {
            401 if self.caller == Caller::None => Some(realm),
            401 => Some(format!("{realm}, error=\"invalid_token\"")),
            403 if matches!(self.caller, Caller::Lacking | Caller::OtherKind) => {
                Some(format!("{realm}, error=\"insufficient_scope\", scope=\"{}\"", line.scope()))
            }
            _ => None,
        };
        let challenge = answer.header("www-authenticate");
        (challenge != expected.as_deref()).then(|| format!("challenges with {challenge:?}"))
    }

    async fn credential<S: WebService>(&self, world: &World, line: &Line) -> Option<String> {
        let own = self.kind.of(&world.a, S::KIND);
        let every = Permissions::all_of(S::KIND);
        Some(match self.caller {
            Caller::None => return None,
            Caller::Malformed => damaged(&own),
            Caller::Unknown => self.kind.unknown(world, S::KIND),
            Caller::Expired => self.kind.ended(world, S::KIND, true).await,
            Caller::Revoked => self.kind.ended(world, S::KIND, false).await,
            Caller::OtherService => match S::KIND {
                Service::Hub => world.a.domain_key.clone(),
                Service::Chatbot => world.a.hub_key.clone(),
            },
            Caller::Lacking if self.kind.is_person() && S::KIND == Service::Hub => {
                let person = if self.kind == Kind::Owner { &world.a.owner } else { &world.a.strong };
                world.at_hub(person).await.access
            }
            Caller::Lacking if self.kind.is_person() => own,
            // No key of a tenant holds what those of the platform's own do.
            Caller::Least if self.kind == Kind::Platform => own,
            Caller::Lacking => {
                let needed = permission(line.permission().unwrap());
                key(world, S::KIND, every.iter().filter(|held| *held != needed)).await
            }
            Caller::Least => match line.permission() {
                Some(name) => key(world, S::KIND, [permission(name)].into_iter()).await,
                None => own,
            },
            Caller::Foreign => self.kind.of(&world.b, S::KIND),
            Caller::Allowed | Caller::OtherKind => own,
        })
    }
}

async fn key(world: &World, service: Service, held: impl Iterator<Item = Permission>) -> String {
    let tenant = world.tenant_of(&world.a, service).await;
    world.key(service, tenant, held.collect(), None).await.0
}

/// Changed rows that are not the second tenant's.
async fn touched(world: &World, changed: &[String]) -> Vec<String> {
    let tenant = world.tenant_of(&world.b, Service::Chatbot).await;
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let person: PersonId = world.b.person.id.parse().unwrap();
    let session: SessionId = world.b.person.session.parse().unwrap();
    let strong: PersonId = world.b.strong.id.parse().unwrap();
    let strong_session: SessionId = world.b.strong.session.parse().unwrap();
    let owner: PersonId = world.b.owner.id.parse().unwrap();
    let owner_session: SessionId = world.b.owner.session.parse().unwrap();
    let own = [
        tenant.account.as_bytes(),
        tenant.domain.as_ref().unwrap().as_bytes(),
        person.as_bytes(),
        session.as_bytes(),
        strong.as_bytes(),
        strong_session.as_bytes(),
        owner.as_bytes(),
        owner_session.as_bytes(),
    ];
    let own = own.map(|id| hex(id));
    // The number of the last notice is nobody's.
    let its_own =
        |row: &&String| row.contains("notice_head|") || own.iter().any(|id| row.contains(id.as_str()));
    changed
        .iter()
        .filter(|row| !its_own(row))
        .map(|row| format!("touched what is not its own: {row}"))
        .collect()
}

/// Holdings that nobody holds.
fn nobodys(world: &World) -> Holdings {
    let (now, entropy) = (world.clock.now(), world.hub_platform.entropy.as_ref());
    let token = || (String::new(), TokenId::draw(now, entropy).to_string());
    Holdings {
        account_id: AccountId::draw(now, entropy).to_string(),
        domain: "nowhere.example".to_owned(),
        origin: "https://nowhere.example".to_owned(),
        idle_key: (String::new(), KeyId::draw(now, entropy).to_string()),
        call_sid: CallId::draw(now, entropy).to_string(),
        user_id: UserId::draw(now, entropy).to_string(),
        temp: token(),
        widget: token(),
        person: Person { session: SessionId::draw(now, entropy).to_string(), ..Person::default() },
        strong: Person { id: PersonId::draw(now, entropy).to_string(), ..Person::default() },
        applicant: PersonId::draw(now, entropy).to_string(),
        idle_domain_key: (String::new(), KeyId::draw(now, entropy).to_string()),
        ..Holdings::default()
    }
}

/// All that an answer tells but for which request it is, and when it was.
fn told(answer: &Response) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let mut body = answer.json();
    let length = body["request_id"].take().as_str().unwrap_or_default().len();
    // A request's number may have grown by a digit.
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == "content-length") {
        *value = value.parse::<usize>().map(|all| all - length).unwrap_or_default().to_string();
    }
    (answer.status, headers, body)
}
