//! Minting a temporary access token.

use super::{Platform, mismatched};
use crate::{
    credential::draw_temp_token,
    error::{Denial, FlowError, Refusal},
    id::TokenId,
    model::{Language, Name, NewToken},
    policy::Granted,
    port::{Creation, MintToken, Once},
    principal::{Principal, TokenKind},
    secret::RevealOnce,
    time::Timestamp,
};
use std::time::Duration;

/// A token that a caller wants.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    /// Whom it is for.
    pub username: Name,
    /// In which language to answer.
    pub language: Option<Language>,
    /// For how long.
    pub life: Duration,
}

/// A token that was made.
#[derive(Debug)]
pub struct Minted {
    /// Its identifier.
    pub id: TokenId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The token.
    pub secret: RevealOnce,
}

/// Mints a token for the caller's domain. It ends with the key that mints it, and no later than that key.
///
/// # Errors
/// [`Refusal::Revoked`] where the key, its domain or its account was ended meanwhile; [`FlowError::Conflict`] where
/// the key was changed meanwhile, and for a request that was sent before: the token is not shown again.
pub async fn mint_token(
    platform: &Platform,
    grant: &Granted<MintToken>,
    order: TokenOrder,
    once: impl FnOnce(TokenId) -> Option<Once>,
) -> Result<Minted, FlowError> {
    let now = platform.now();
    let parent = match grant.who() {
        Some(Principal::Key(key)) => Some((key.id, key.expires_at)),
        _ => None,
    };
    let wanted = now + order.life;
    let expires_at = parent.and_then(|(_, end)| end).map_or(wanted, |end| wanted.min(end));
    let secret = draw_temp_token(platform.entropy.as_ref());
    let id = TokenId::draw(now, platform.entropy.as_ref());
    let new = NewToken {
        id,
        kind: TokenKind::Temp,
        digest: secret.digest(),
        parent: parent.map(|(key, _)| key),
        opened_by: None,
        username: order.username,
        language: order.language,
        at: now,
        expires_at,
    };
    match platform.stores.tokens.mint(grant, new, once(id)).await? {
        Creation::Done(()) => Ok(Minted { id, expires_at, secret }),
        Creation::Repeated(id) => {
            let answer = format!("this request made token {id}; it was shown then and is not again");
            Err(FlowError::Conflict(answer))
        }
        Creation::Mismatched => Err(mismatched()),
        Creation::Taken | Creation::Stale | Creation::Full(_) => {
            if let Some(Principal::Key(key)) = grant.who() {
                platform.own_key(key, grant.scope()).await?;
            }
            Err(Denial::Unauthenticated(Refusal::Revoked).into())
        }
    }
}
