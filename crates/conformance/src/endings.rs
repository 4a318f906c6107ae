//! Replicas of the chatbot service on one store, and sessions that end at one of them: no access token of theirs is accepted by
//! any, once that has answered.
//!
//! Sessions are begun in the store, so that no password is hashed.

use crate::{
    client::{Request, Response},
    contract::{Fixture, fixture_people::session_grant},
    history::{Counts, History},
    place::Place,
};
use auth_core::{
    amr::{Amr, Method},
    jwt::{Issuer, SigningKeys},
    model::{Domain, NewSession, SESSION_LIFE},
    policy::Role,
    port::{Creation, Stores},
    secret::PlainToken,
    time::Clock as _,
};
use auth_web::{
    App,
    system::{OsEntropy, SystemClock},
};
use chatbot_service::{Chatbot, issuer::Tokens, responder::Responder, settings::People};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::Instant;

const ALL: [usize; 3] = [0, 1, 2];
/// How long each of those that ask all the time rests between two requests.
const PACE: Duration = Duration::from_millis(5);
const PERSON: &str = "alice@example.com";
const ADMIN: &str = "bob@example.com";

/// A replica, on what it opened of the store of a place.
pub async fn replica(stores: Stores) -> App<Chatbot> {
    let issuer = Issuer::parse("https://chat.example.com").unwrap();
    let keys = SigningKeys::new(issuer, Arc::new(Place::keyring()));
    let parts = (stores, Arc::new(SystemClock::start()) as _, Arc::new(OsEntropy) as _);
    let settings = (Tokens::default(), People::default());
    let chatbot = Chatbot::open(parts, keys, settings, Responder::BuiltIn, None).await.unwrap();
    // Whoever asks says from where: refreshes are counted by address.
    App::new(chatbot, vec!["127.0.0.0/8".parse().unwrap()])
}

/// A way in which sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By its person.
    Logout,
    /// By its person, with another one.
    LogoutEverywhere,
    /// Of its person, who has two.
    Suspension,
    /// Of its person, from a role that it has.
    Demotion,
    /// Its first refresh token, after the next one was.
    UsedAgain,
}

impl Ending {
    /// All of them.
    pub const EVERY: [Self; 5] =
        [Self::Logout, Self::LogoutEverywhere, Self::Suspension, Self::Demotion, Self::UsedAgain];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutEverywhere => "logout everywhere, two sessions",
            Self::Suspension => "suspension, two sessions",
            Self::Demotion => "demotion",
            Self::UsedAgain => "a refresh token used again",
        }
    }
}

/// What a session has given its person.
struct Begun {
    access: String,
    /// The first of its refresh tokens, which was used.
    first: PlainToken,
    /// The one that is good.
    refresh: String,
}

/// Three replicas, a person whose sessions end, and a super admin.
pub struct Endings {
    history: History,
    fixture: Fixture,
    domain: Domain,
    clock: SystemClock,
    person: String,
    /// An access token of the super admin.
    administers: String,
}

impl Endings {
    /// Begins to ask replicas that listen at these addresses.
    pub async fn begin(fixture: Fixture, replicas: [SocketAddr; 3]) -> Self {
        let domain = fixture.domain(&fixture.account().await).await;
        let person = fixture.person(PERSON).await.person.id;
        fixture.person(ADMIN).await;
        fixture.join(&domain, person, Role::IsAdmin).await;
        fixture.set("people", &format!("super_admin = 1 WHERE address = '{ADMIN}'")).await;
        let history = History::begin(replicas.into(), |token| Request::get("/auth/me").bearer(token), PACE);
        let (clock, administers) = (SystemClock::start(), String::new());
        Self { history, fixture, domain, clock, person: person.to_string(), administers }
    }

    /// Stops asking, and answers what was counted. Panics where an answer was wrong.
    pub async fn end(self) -> Arc<Counts> {
        self.history.end().await
    }

    /// Sends a request to a replica, from some address.
    async fn send(&self, at: usize, request: Request) -> Response {
        let draw = self.fixture.entropy();
        let mut octets = [0; 3];
        draw.fill(&mut octets);
        let [a, b, c] = octets;
        self.history.send(at, request.header("X-Forwarded-For", &format!("10.{a}.{b}.{c}"))).await
    }

    async fn refresh(&self, at: usize, token: &str) -> Response {
        let body = json!({ "refresh_token": token }).to_string();
        self.send(at, Request::post("/auth/refresh", &body)).await
    }

    /// Begins a session of somebody, which a replica gives its first access token.
    async fn begin_session(&self, at: usize, address: &str) -> Begun {
        let address = address.parse().unwrap();
        let stores = &self.fixture.stores;
        let login = stores.people.by_address(&address).await.unwrap().unwrap();
        let place = login.memberships.first();
        let (session, first, new) = self.fixture.new_session(&login, place);
        let now = self.clock.now();
        let new = NewSession { auth_time: now, at: now, ends_at: now + SESSION_LIFE, ..new };
        let new = if login.person.is_super_admin {
            let amr = Amr::of([Method::Password, Method::OneTimePassword]);
            NewSession { amr, role: Some(Role::SuperAdmin), ..new }
        } else {
            new
        };
        let begun = stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap();
        assert_eq!(begun, Creation::Done(None));
        let answer = self.refresh(at, first.expose()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Begun { access: answer.field("access_token"), refresh: answer.field("refresh_token"), first }
    }

    /// The request that ends sessions, and what it is answered.
    fn ending(&self, ending: Ending, begun: &Begun) -> (Request, u16) {
        let Self { person, administers: admin, .. } = self;
        match ending {
            Ending::Logout => (Request::post("/auth/logout", "").bearer(&begun.access), 204),
            Ending::LogoutEverywhere => (Request::post("/auth/logout-all", "").bearer(&begun.access), 204),
            Ending::Suspension => (status(person, "suspended", admin), 200),
            Ending::Demotion => (self.role(person, "member", admin), 200),
            Ending::UsedAgain => {
                let body = json!({ "refresh_token": begun.first.expose() }).to_string();
                (Request::post("/auth/refresh", &body), 401)
            }
        }
    }

    fn role(&self, person: &str, role: &str, admin: &str) -> Request {
        let path = format!("/domains/{}/members/{person}/role", self.domain.name.as_str());
        let body = json!({ "role": role }).to_string();
        Request { method: "PUT".to_owned(), ..Request::post(&path, &body) }.bearer(admin)
    }

    /// Begins sessions at one replica, ends them at another, and shows that all refuse their tokens then; how long the answer
    /// took. Panics where one was accepted behind it.
    pub async fn round(&mut self, number: usize, ending: Ending) -> Duration {
        let (here, there) = (number % 3, (number + 1) % 3);
        // A proof of just now is good for a quarter of an hour, and an access token for ten minutes.
        if number.is_multiple_of(500) {
            self.administers = self.begin_session(here, ADMIN).await.access;
        }
        let begun = self.begin_session(here, PERSON).await;
        let mut tokens = vec![begun.access.clone()];
        match ending {
            Ending::LogoutEverywhere | Ending::Suspension => {
                tokens.push(self.begin_session(here, PERSON).await.access);
            }
            // Its successor has been used, so that the first is a replay.
            Ending::UsedAgain => {
                let answer = self.refresh(here, &begun.refresh).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                tokens.push(answer.field("access_token"));
            }
            Ending::Logout | Ending::Demotion => {}
        }
        let mut lives = Vec::new();
        for token in tokens {
            lives.push(
                self.history.follow(token, format!("a token of round {number}, {ending:?}"), &ALL).await,
            );
        }
        let (request, expected) = self.ending(ending, &begun);
        let asked = Instant::now();
        let answer = self.send(there, request).await;
        let took = asked.elapsed();
        assert_eq!(answer.status, expected, "{ending:?}: {}", answer.body);
        self.history.over(&lives, &ALL).await;
        let undo = match ending {
            Ending::Suspension => Some(status(&self.person, "active", &self.administers)),
            Ending::Demotion => Some(self.role(&self.person, "is_admin", &self.administers)),
            _ => None,
        };
        if let Some(undo) = undo {
            let answer = self.send(there, undo).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        took
    }
}

fn status(person: &str, status: &str, admin: &str) -> Request {
    let body = json!({ "status": status }).to_string();
    let change = Request::post(&format!("/users/{person}"), &body);
    Request { method: "PATCH".to_owned(), ..change }.bearer(admin)
}
