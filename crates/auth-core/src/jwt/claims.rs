//! What an access token says.

use crate::{
    amr::Amr,
    id::{AccessTokenId, PersonId, SessionId},
    model::DomainName,
    policy::Role,
    service::Service,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// How long an access token lives.
pub const LIFE: Duration = Duration::from_secs(600);

/// The client of every token (RFC 9068 §2.2): people log in to this platform itself, and to no client of theirs.
pub const CLIENT: &str = "first-party";

/// What an access token says (RFC 9068 §2.2); times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The token (`jti`).
    pub id: AccessTokenId,
    /// Whose it is (`sub`).
    pub person: PersonId,
    /// The session that it belongs to (`sid`).
    pub session: SessionId,
    /// The one service that takes it (`aud`).
    pub audience: Service,
    /// When it was issued (`iat`, `nbf`).
    pub issued_at: Timestamp,
    /// When it ends (`exp`).
    pub expires_at: Timestamp,
    /// The role of the person in the domain, or on the platform (`roles`).
    pub role: Option<Role>,
    /// The domain that the session is for (`domain`).
    pub domain: Option<DomainName>,
    /// How the person logged in (`amr`, and `acr` of RFC 9470).
    pub amr: Amr,
    /// When (`auth_time`).
    pub auth_time: Timestamp,
}

/// The claims as they stand in the token, in this order. A member that stands twice, one that is not known, and `null` are
/// refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire<'a> {
    pub(super) iss: &'a str,
    sub: &'a str,
    pub(super) aud: &'a str,
    exp: u32,
    iat: u32,
    nbf: u32,
    jti: &'a str,
    sid: &'a str,
    client_id: &'a str,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    roles: Option<[&'a str; 1]>,
    #[serde(default, borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    acr: &'a str,
    amr: Amr,
    auth_time: u32,
}

/// A member that is there is no `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whole seconds (RFC 7519 §2, NumericDate), until the year 2106.
pub(super) fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.millis() / 1000).unwrap_or(u32::MAX)
}

pub(super) fn time(seconds: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(seconds) * 1000)
}

impl Claims {
    /// The members of the token, as JSON.
    pub(super) fn to_json(&self, issuer: &str) -> Vec<u8> {
        let mut uuid = [[0; 36]; 3];
        let [sub, jti, sid] = &mut uuid;
        let issued = seconds(self.issued_at);
        let wire = Wire {
            iss: issuer,
            sub: self.person.write(sub),
            aud: self.audience.name(),
            exp: seconds(self.expires_at),
            iat: issued,
            nbf: issued,
            jti: self.id.write(jti),
            sid: self.session.write(sid),
            client_id: CLIENT,
            roles: self.role.map(|role| [role.name()]),
            domain: self.domain.as_ref().map(DomainName::as_str),
            acr: self.amr.acr(),
            amr: self.amr,
            auth_time: seconds(self.auth_time),
        };
        let mut json = Vec::with_capacity(512);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut json, &wire);
        json
    }
}

impl Wire<'_> {
    /// What it says, where all of it reads; `None` where a value is none of ours.
    pub(super) fn read(&self, audience: Service) -> Option<Claims> {
        let role = match self.roles {
            Some([name]) => Some(Role::parse(name)?),
            None => None,
        };
        let domain = match self.domain {
            Some(name) => Some(DomainName::parse(name).ok().filter(|domain| domain.as_str() == name)?),
            None => None,
        };
        let ours = self.client_id == CLIENT && self.acr == self.amr.acr() && self.nbf == self.iat;
        ours.then_some(())?;
        Some(Claims {
            id: self.jti.parse().ok()?,
            person: self.sub.parse().ok()?,
            session: self.sid.parse().ok()?,
            audience,
            issued_at: time(self.iat),
            expires_at: time(self.exp),
            role,
            domain,
            amr: self.amr,
            auth_time: time(self.auth_time),
        })
    }
}
