//! What access tokens say that are measured.

use auth_core::{
    amr::{Amr, Method},
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{Claims, LIFE},
    model::DomainName,
    policy::Role,
    service::Service,
    time::Timestamp,
};

/// When they are issued.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The claims of one of many, each of a person and a session of its own.
pub fn claims(number: usize) -> Claims {
    let id = (number as u128).to_be_bytes();
    Claims {
        id: AccessTokenId::from_bytes(id),
        person: PersonId::from_bytes(id),
        session: SessionId::from_bytes(id),
        audience: Service::Chatbot,
        issued_at: NOW,
        expires_at: NOW + LIFE,
        role: Some(Role::IsAdmin),
        domain: Some(DomainName::parse("example.com").unwrap()),
        amr: Amr::of([Method::Password, Method::OneTimePassword]),
        auth_time: NOW,
    }
}
