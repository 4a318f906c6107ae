//! What the issuer says of an access token to whoever asks (RFC 7662 §2.2): one form, written by the chatbot service and
//! read by the Hub.

use super::{
    CLIENT, Claims,
    claims::{seconds, time},
};
use serde::{Deserialize, Serialize};

/// The state of a token. Of one that is not good, nothing else is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenState {
    active: bool,
    #[serde(flatten)]
    said: Option<Said>,
}

/// What the token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    token_type: String,
    iss: String,
    sub: String,
    aud: String,
    exp: u32,
    iat: u32,
    jti: String,
    sid: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<[String; 1]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    acr: String,
    amr: Vec<String>,
    auth_time: u32,
}

impl TokenState {
    /// Of whatever is not good, for whatever reason.
    pub const INACTIVE: Self = Self { active: false, said: None };

    /// Of a good token that says this. Its end is the token's, whenever its key ends.
    pub fn active(issuer: &str, claims: &Claims) -> Self {
        Self {
            active: true,
            said: Some(Said {
                token_type: "Bearer".to_owned(),
                iss: issuer.to_owned(),
                sub: claims.person.to_string(),
                aud: claims.audience.name().to_owned(),
                exp: seconds(claims.expires_at),
                iat: seconds(claims.issued_at),
                jti: claims.id.to_string(),
                sid: claims.session.to_string(),
                client_id: CLIENT.to_owned(),
                roles: claims.role.map(|role| [role.name().to_owned()]),
                domain: claims.domain.as_ref().map(ToString::to_string),
                acr: claims.amr.acr().to_owned(),
                amr: claims.amr.words().map(str::to_owned).collect(),
                auth_time: seconds(claims.auth_time),
            }),
        }
    }

    /// Whether the issuer says that it is good.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether it is this token that the issuer says to be good, in all that the token says. An earlier end is none of it:
    /// the issuer may know that the token's key ends sooner.
    pub fn agrees_with(&self, issuer: &str, claims: &Claims) -> bool {
        let Some(said) = &self.said else { return false };
        let same = Claims { expires_at: time(said.exp), ..claims.clone() };
        said.exp <= seconds(claims.expires_at) && *self == Self::active(issuer, &same)
    }

    /// When the issuer says that it ends; of one that is good.
    pub fn expires_at(&self) -> Option<crate::time::Timestamp> {
        self.said.as_ref().map(|said| time(said.exp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_good_says_nothing_else() {
        assert_eq!(serde_json::to_string(&TokenState::INACTIVE).unwrap(), r#"{"active":false}"#);
        let read = |json: &str| serde_json::from_str::<TokenState>(json);
        assert_eq!(read(r#"{"active":false}"#).unwrap(), TokenState::INACTIVE);
        for wrong in ["{}", "[]", "null", r#"{"active":"true"}"#, r#"{"active":null}"#, r#"{"active":1}"#, ""]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
