//! OpenID Connect as a relying party needs it: whether an ID token of a provider is good, and whose it is.

mod id_token;
mod issuer;
mod json;
mod keys;
#[cfg(test)]
mod signers;

pub(crate) use id_token::kid_of;
pub use id_token::{Expected, Identity, MOST_BYTES, NotGood, is_still_of, verify};
pub use issuer::{IssuerRule, Tenants};
pub use keys::{NotProviderKeys, ProviderKeys};
