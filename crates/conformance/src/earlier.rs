//! Tokens of the earlier system, as it signed them, and the people who were taken over from it.

use crate::{
    operator::operator,
    world::{Person, World},
};
use auth_core::{
    id::PersonId,
    jwt::EarlierTokens,
    model::{Address, Name, NewPerson},
    policy::{Installation, Role, grant},
    port::ImportPeople,
    principal::Tenant,
    time::{Clock as _, Timestamp},
};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::time::Duration;

/// The secret of the earlier system.
pub const SECRET: &[u8] = b"a secret of the earlier system, long enough";
/// How long after a world begins its tokens are taken.
pub const TAKEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// What takes them, in a world that begins at a time.
pub(crate) fn taken_from(begin: Timestamp) -> EarlierTokens {
    EarlierTokens::new(SECRET, begin + TAKEN).unwrap()
}

/// A token that says this, as the earlier system signed it, or whoever has another secret.
pub fn sign(secret: &[u8], claims: &Value) -> String {
    let head = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", BASE64URL_NOPAD.encode(mac.as_ref()))
}

impl World {
    /// A person who was taken over from the earlier system, and is a member of a domain.
    pub async fn taken_over(&self, email: &str, tenant: Tenant, role: Role) -> Person {
        let (at, address) = (self.clock.now(), Address::parse(email).unwrap());
        let id = PersonId::draw(at, self.chatbot_platform.entropy.as_ref());
        // Their password is that of somebody who registered.
        let registered = self.stores.people.by_address(&Address::parse(&self.a.person.email).unwrap()).await;
        let password_hash = registered.unwrap().unwrap().password;
        let new = NewPerson {
            id,
            address,
            name: Name::parse("Somebody").unwrap(),
            password: password_hash,
            verified: true,
            asks: None,
            at,
        };
        let granted = grant::<ImportPeople, _>(&operator(), &Installation).unwrap();
        assert_eq!(self.stores.people.import(&granted, vec![new]).await.unwrap(), [true]);
        self.join(&id.to_string(), tenant, role).await;
        Person {
            id: id.to_string(),
            email: email.to_owned(),
            password: self.a.person.password.clone(),
            ..Person::default()
        }
    }

    /// A token of a person of the earlier system, that ends so long from now.
    pub fn earlier_token(&self, person: &Person, life: Duration) -> String {
        let exp = (self.clock.now() + life).millis() / 1000;
        sign(SECRET, &json!({ "sub": person.email, "exp": exp }))
    }
}
