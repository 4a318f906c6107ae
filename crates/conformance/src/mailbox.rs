//! Where the letters of tests arrive.

use crate::{
    client::Request,
    place::Place,
    world::{Person, World, until},
};
use auth_core::{
    credential::{MailedFor, MailedToken},
    model::Address,
    port::{Content, Letter, Post, Undelivered},
    secret::PlainToken,
    time::Clock as _,
};
use chatbot_service::settings::Registration;
use std::sync::{Arc, Mutex};

/// Letters that were sent, in memory.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Letters>);

#[derive(Default)]
struct Letters(Mutex<Vec<Letter>>);

#[async_trait::async_trait]
impl Post for Letters {
    async fn carry(&self, letter: &Letter) -> Result<(), Undelivered> {
        self.0.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

impl Mailbox {
    /// Whoever carries letters to it.
    pub fn post(&self) -> Arc<dyn Post> {
        Arc::clone(&self.0) as _
    }
    /// The letters that arrived for an address, oldest first.
    pub fn of(&self, address: &str) -> Vec<Content> {
        let address = Address::parse(address).unwrap();
        let all = self.0.0.lock().unwrap();
        all.iter().filter(|letter| letter.to == address).map(|letter| letter.content.clone()).collect()
    }
    /// How many letters arrived.
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().len()
    }
    /// The newest letter for an address, once so many arrived for it.
    pub async fn awaited(&self, address: &str, count: usize) -> Content {
        until("a letter arrives", || self.of(address).len() >= count).await;
        let mut all = self.of(address);
        assert_eq!(all.len(), count, "{address}");
        all.pop().unwrap()
    }
    /// Waits until all letters are carried that were asked for, of a service that has ended.
    pub async fn closed(&self) {
        until("nobody carries letters any more", || Arc::strong_count(&self.0) == 1).await;
    }
}

/// The token in a letter.
pub fn token(content: &Content) -> String {
    let text = |token: &PlainToken| token.expose().to_owned();
    match content {
        Content::Verify { token, .. } | Content::Reset { token, .. } => text(token),
        Content::Taken => panic!("there is no token in it"),
    }
}

impl World {
    /// Shows by the letter that they got that an address is its person's, where it must be before they log in.
    pub(crate) async fn verify_where_asked(&self, email: &str) {
        if self.people.registration == Registration::Verified {
            let letter = self.mailbox.awaited(email, 1).await;
            let body = format!(r#"{{"token":"{}"}}"#, token(&letter));
            let verified = self.chatbot(Request::post("/auth/email/verify", &body)).await;
            assert_eq!(verified.status, 204, "{}", verified.body);
        }
    }

    /// A person with tokens that were mailed to them, as if nobody knew yet that the address is theirs.
    pub async fn mailed(&self, person: Person) -> Person {
        let address = Address::parse(&person.email).unwrap();
        if self.people.registration == Registration::Open {
            let unknown = format!("UPDATE people SET verified_at = NULL WHERE address = '{address}'");
            self.place.execute(&unknown).await;
        }
        let found = self.stores.people.by_address(&address).await.unwrap().unwrap().person;
        let mailed = |purpose: MailedFor| {
            let expires_at = self.clock.now() + purpose.life();
            let token = MailedToken { purpose, person: found.id, version: found.version, expires_at };
            let sealed = token.seal(&Place::keyring(), self.hub_platform.entropy.as_ref());
            sealed.reveal().expose().to_owned()
        };
        let [verification, reset] = MailedFor::ALL.map(mailed);
        Person { verification, reset, ..person }
    }
}
