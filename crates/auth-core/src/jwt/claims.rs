//! What an access token says.

use crate::{
    amr::Amr,
    id::{AccessTokenId, PersonId, SessionId},
    model::DomainName,
    policy::Role,
    service::Service,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer};
use std::{fmt::Write as _, time::Duration};

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
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
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
    #[serde(default, deserialize_with = "present")]
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
    roles: Option<[&'a str; 1]>,
    #[serde(default, borrow, deserialize_with = "present")]
    #[cfg_attr(test, serde(skip_serializing_if = "Option::is_none"))]
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
    /// The members of the token, as JSON. No text of ours holds what JSON escapes.
    pub(super) fn to_json(&self, issuer: &str) -> String {
        let mut uuid = [[0; 36]; 3];
        let [sub, jti, sid] = &mut uuid;
        let issued = seconds(self.issued_at);
        let mut members = Members(String::with_capacity(512));
        members.text("iss", issuer);
        members.text("sub", self.person.write(sub));
        members.text("aud", self.audience.name());
        members.number("exp", seconds(self.expires_at));
        members.number("iat", issued);
        members.number("nbf", issued);
        members.text("jti", self.id.write(jti));
        members.text("sid", self.session.write(sid));
        members.text("client_id", CLIENT);
        if let Some(role) = self.role {
            members.texts("roles", std::iter::once(role.name()));
        }
        if let Some(domain) = &self.domain {
            members.text("domain", domain.as_str());
        }
        members.text("acr", self.amr.acr());
        members.texts("amr", self.amr.words());
        members.number("auth_time", seconds(self.auth_time));
        members.0.push('}');
        members.0
    }
}

/// A JSON object that is being written.
struct Members(String);

impl Members {
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.quoted(name);
        self.0.push(':');
    }
    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        self.0.push_str(text);
        self.0.push('"');
    }
    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.quoted(text);
    }
    fn texts<'a>(&mut self, name: &str, texts: impl Iterator<Item = &'a str>) {
        self.name(name);
        let mut before = '[';
        for text in texts {
            self.0.push(std::mem::replace(&mut before, ','));
            self.quoted(text);
        }
        self.0.push_str(if before == '[' { "[]" } else { "]" });
    }
    fn number(&mut self, name: &str, number: u32) {
        self.name(name);
        // Writing to memory does not fail.
        let _ = write!(self.0, "{number}");
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
