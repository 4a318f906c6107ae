//! People and their sessions, as cases make them.

use super::fixture::{Fixture, granted, name, proof};
use auth_core::{
    amr::{Amr, Method},
    credential::{PasswordHash, Refresh},
    id::{PersonId, SessionId},
    model::{
        Account, Address, Domain, Login, Membership, NewPerson, NewSession, SESSION_IDLE, SESSION_LIFE,
        Session, Status,
    },
    policy::{Granted, OpenAction, OwnPerson, Role, grant},
    port::{BeginSession, Creation, Register, SuspendAccount, SuspendDomain},
    principal::{Origin, PersonPrincipal, Principal},
    seal::Keyring,
    secret::PlainToken,
    service::Service,
    time::Timestamp,
};

/// The keyring of the cases.
pub fn keyring() -> Keyring {
    crate::place::Place::keyring()
}

/// What anybody may try.
pub fn open<A: OpenAction>() -> Granted<A> {
    Granted::to_anybody(&proof(super::fixture::operator()))
}

/// A person, by their identifier.
pub fn as_person(id: PersonId) -> OwnPerson {
    OwnPerson::of(&PersonPrincipal {
        session: SessionId::from_bytes([0; 16]),
        person: id,
        tenant: None,
        role: None,
        amr: Amr::default(),
        auth_time: Timestamp::EPOCH,
        audience: Service::Chatbot,
        expires_at: Timestamp::MAX,
        judged_at: Timestamp::MAX,
    })
}

/// The grant to begin a session of a person.
pub fn session_grant(login: &Login, session: &Session) -> Granted<BeginSession> {
    grant(&proof(Principal::Person(session.principal())), &login.person).ok().unwrap()
}

/// A fresh refresh token of a session.
pub fn refresh_of(fixture: &Fixture, id: SessionId) -> PlainToken {
    Refresh::draw(id, &keyring(), fixture.entropy()).reveal()
}

/// Begins a session of a person, of no domain.
pub async fn begun(fixture: &Fixture, login: &Login) -> (Session, PlainToken) {
    fixture.begin(login, None).await
}

impl Fixture {
    /// Where requests of the cases come from.
    pub fn origin(&self) -> Origin {
        Origin { source: Some(std::net::Ipv4Addr::LOCALHOST.into()), request_id: "contract".to_owned() }
    }

    /// A hash of a password, one for each number.
    pub fn password_hash(&self, number: u32) -> PasswordHash {
        format!("$2b$12${number:053}").parse().unwrap()
    }

    /// A person to be registered.
    pub fn new_person(&self, address: &str) -> NewPerson {
        let at = self.at();
        NewPerson {
            id: PersonId::draw(at, self.entropy()),
            address: Address::parse(address).unwrap(),
            name: name("Alice"),
            password: self.password_hash(0),
            verified: false,
            asks: None,
            at,
        }
    }

    /// Registers a person.
    pub async fn person(&self, address: &str) -> Login {
        let new = self.new_person(address);
        let address = new.address.clone();
        let made = self.stores.people.register(&open::<Register>(), new).await.unwrap();
        assert_eq!(made, Creation::Done(()));
        self.stores.people.by_address(&address).await.unwrap().unwrap()
    }

    /// Makes a person a member of a domain, past the store.
    pub async fn join(&self, domain: &Domain, person: PersonId, role: Role) {
        let place = self.place.as_ref().unwrap();
        let hex = |bytes: &[u8]| place.bytes(&data_encoding::HEXLOWER.encode(bytes));
        let (domain, person) = (hex(domain.id.as_bytes()), hex(person.as_bytes()));
        let columns = "domain_id, person_id, role, created_at, version";
        let row =
            format!("INSERT INTO members ({columns}) VALUES ({domain}, {person}, '{}', 0, 1)", role.name());
        place.execute(&row).await;
    }

    /// Sets something of all rows of a table, past the store.
    pub async fn set(&self, table: &str, what: &str) {
        self.place.as_ref().unwrap().execute(&format!("UPDATE {table} SET {what}")).await;
    }

    /// Suspends or revives a domain.
    pub async fn suspend_domain(&self, domain: &Domain, status: Status) {
        let grant = granted::<SuspendDomain>(domain);
        self.stores.domains.set_status(&grant, status, self.at()).await.unwrap();
    }

    /// Suspends or revives an account.
    pub async fn suspend_account(&self, account: &Account, status: Status) {
        let grant = granted::<SuspendAccount>(account);
        self.stores.accounts.set_status(&grant, status, self.at()).await.unwrap();
    }

    /// A session to be begun, as it will be read, and its first refresh token.
    pub fn new_session(
        &self,
        login: &Login,
        place: Option<&Membership>,
    ) -> (Session, PlainToken, NewSession) {
        let at = self.at();
        let id = SessionId::draw(at, self.entropy());
        let token = Refresh::draw(id, &keyring(), self.entropy());
        let (audience, amr) = (Service::Chatbot, Amr::of([Method::Password]));
        let role = place.map(|membership| membership.role);
        let session = Session {
            id,
            person: login.person.id,
            tenant: place.map(|membership| membership.tenant),
            domain: place.map(|membership| membership.domain_name.clone()),
            audience,
            role,
            amr,
            auth_time: at,
            source: "127.0.0.1".to_owned(),
            created_at: at,
            refreshed_at: None,
            expires_at: at + SESSION_IDLE,
        };
        let domain = place.map(|membership| membership.domain);
        let (version, refresh) = (login.person.version, token.digest());
        let (factor, replaces) = (None, None);
        let (auth_time, ends_at) = (at, at + SESSION_LIFE);
        let new = NewSession {
            id,
            domain,
            audience,
            role,
            version,
            amr,
            auth_time,
            factor,
            replaces,
            refresh,
            ends_at,
            at,
        };
        (session, token.reveal(), new)
    }

    /// Begins a session, with its first refresh token.
    pub async fn begin(&self, login: &Login, place: Option<&Membership>) -> (Session, PlainToken) {
        let (session, token, new) = self.new_session(login, place);
        let begun = self.stores.sessions.begin(&session_grant(login, &session), new).await.unwrap();
        assert_eq!(begun, Creation::Done(None));
        (session, token)
    }
}
