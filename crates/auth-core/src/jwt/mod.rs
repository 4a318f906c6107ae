//! Access tokens of people: JWTs of RFC 9068, signed by the chatbot service and judged by both services with the one
//! [`Verifier`].
//!
//! A token is taken only in the one form in which it is issued: its header must be, byte for byte, the one that belongs
//! to a key that is known, so that nothing in it is ever read, and the key alone says which algorithm is used. What it
//! says is parsed only once its signature is known good (ADR 2). Those of the earlier system are judged apart (ADR 18).

mod algorithm;
mod claims;
mod earlier;
mod jwk;
mod keys;
mod marks;
mod public;
mod relying;
mod signing;
mod state;
mod verify;

pub use algorithm::{Algorithm, Kid};
pub use claims::{CLIENT, Claims, LIFE};
pub use earlier::{EarlierSession, EarlierToken, EarlierTokens, LONGEST, NotEarlier};
pub use jwk::{JwkSet, NotAKeySet};
pub use keys::SigningKeys;
pub(crate) use public::Parts;
pub use public::{NotAKey, PublicKey};
pub use relying::{AGAIN_AFTER, RelyingParty};
pub use signing::{Issuer, SigningKey};
pub use state::TokenState;
pub use verify::{LEEWAY, MOST_BYTES, Verifier, VerifyingKey, begins_as_jwt};
