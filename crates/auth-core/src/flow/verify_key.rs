//! Telling whether a key is good, for callers that guard routes of their own.

use super::Platform;
use crate::{
    credential::{Form, classify},
    error::FlowError,
    policy::{Proof, Requirement},
    principal::KeyPrincipal,
    secret::TokenDigest,
};

/// What is told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// A live key of the caller's own tenant.
    Good(KeyPrincipal),
    /// Anything else: unknown, ended, or somebody else's. Not said which.
    NotGood,
}

/// Looks a key up at the caller's service, within the caller's scope. Counts neither as a use of the key nor
/// against its rate.
///
/// # Errors
/// The store's.
pub async fn verify_key<R: Requirement>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    text: &str,
) -> Result<Verified, FlowError> {
    if !matches!(classify(text), Ok(Form::Key(_) | Form::Legacy | Form::Temp)) {
        return Ok(Verified::NotGood);
    }
    let service = platform.validator.service();
    let found = platform.stores.key_index.find(service, &TokenDigest::of(text)).await?;
    let now = platform.now();
    Ok(match found {
        Some(found) if found.is_live(now) && proof.scope().covers(Some(found.principal.tenant)) => {
            Verified::Good(found.principal)
        }
        _ => Verified::NotGood,
    })
}
