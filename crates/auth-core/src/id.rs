//! Typed identifiers: UUIDv7 (RFC 9562 §5.7), so that newer rows sort after older ones.

use crate::{entropy::Entropy, time::Timestamp};
use uuid::Uuid;

/// A text that is not an identifier in its canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct NotAnId;

/// Draws a UUIDv7 of this time.
fn draw(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(now.millis().unsigned_abs(), &random).into_uuid()
}

/// Reads the canonical form only: 36 lower-case characters with hyphens, so that one object has one name.
fn parse_canonical(text: &str) -> Result<Uuid, NotAnId> {
    let uuid = Uuid::try_parse(text).map_err(|_| NotAnId)?;
    let mut buffer = Uuid::encode_buffer();
    if uuid.hyphenated().encode_lower(&mut buffer) == text { Ok(uuid) } else { Err(NotAnId) }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier of this time.
            pub fn draw(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(draw(now, entropy))
            }
            /// The identifier with these bytes, as a store kept them.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
            /// The 16 bytes that a store keeps.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }
    };
}

macro_rules! uuid_text {
    ($name:ident) => {
        impl $name {
            /// Writes its canonical form where it is to lie, without allocating.
            pub fn write<'a>(&self, place: &'a mut [u8; 36]) -> &'a str {
                self.0.hyphenated().encode_lower(place)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_canonical(text).map(Self)
            }
        }
        serde_as_text!($name);
    };
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id! {
    /// An account of the Hub: the tenant that owns keys, users, calls and domains.
    AccountId
}
typed_id! {
    /// A domain of the chatbot service, owned by one account.
    DomainId
}
typed_id! {
    /// An API key of either service; its secrets may change, the key stays.
    KeyId
}
typed_id! {
    /// A user record of a Hub account.
    UserId
}
typed_id! {
    /// A connection of a user with a provider of calendars.
    ConnectionId
}
typed_id! {
    /// A temporary token or a session of the chatbot service.
    TokenId
}
typed_id! {
    /// A person: who logs in.
    PersonId
}
typed_id! {
    /// A session of a person, from a login on: all refresh tokens that follow from it, and their access tokens.
    SessionId
}
typed_id! {
    /// A passkey of a person.
    PasskeyId
}
typed_id! {
    /// One access token (`jti`, RFC 7519 §4.1.7).
    AccessTokenId
}
typed_id! {
    /// A call of the Hub; written as `call_sid`: `CA` and 32 hexadecimal digits.
    CallId
}
typed_id! {
    /// One answer of a chat.
    MessageId
}
uuid_text!(MessageId);
uuid_text!(AccountId);
uuid_text!(DomainId);
uuid_text!(KeyId);
uuid_text!(UserId);
uuid_text!(ConnectionId);
uuid_text!(TokenId);
uuid_text!(PersonId);
uuid_text!(SessionId);
uuid_text!(PasskeyId);
uuid_text!(AccessTokenId);
serde_as_text!(CallId);

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CA{}", self.0.simple())
    }
}

impl std::str::FromStr for CallId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digits = text.strip_prefix("CA").ok_or(NotAnId)?;
        let id = Self(Uuid::try_parse(digits).map_err(|_| NotAnId)?);
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_names_an_object() {
        let text = "01939b5e-7c00-7000-8000-0000000000ab";
        assert_eq!(text.parse::<KeyId>().map(|id| id.to_string()), Ok(text.to_owned()));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!("{text} "),
        ] {
            assert_eq!(other.parse::<KeyId>(), Err(NotAnId), "{other}");
        }
        let sid = "CA01939b5e7c00700080000000000000ab";
        assert_eq!(sid.parse::<CallId>().map(|id| id.to_string()), Ok(sid.to_owned()));
        assert!(sid.to_uppercase().parse::<CallId>().is_err());
        assert!(text.parse::<CallId>().is_err());
    }
}
