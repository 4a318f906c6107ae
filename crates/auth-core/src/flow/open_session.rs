//! Opening a widget or browser chat session.

use super::Platform;
use crate::{
    credential::{SessionKind, draw_session},
    error::{Denial, FlowError, Refusal},
    id::TokenId,
    model::{Language, Name, NewToken},
    policy::Granted,
    port::{Creation, OpenSession},
    principal::{Principal, TokenKind},
    secret::RevealOnce,
    time::Timestamp,
};
use std::time::Duration;

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Its identifier.
    pub id: TokenId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its token.
    pub secret: RevealOnce,
}

/// Opens a session for a domain. One that a temporary token opened ends with the key behind that token, and
/// no later than the token.
///
/// # Errors
/// [`Refusal::Revoked`] where that key was ended meanwhile.
pub async fn open_session(
    platform: &Platform,
    grant: &Granted<OpenSession>,
    kind: SessionKind,
    username: Name,
    language: Option<Language>,
    life: Duration,
) -> Result<Opened, FlowError> {
    let now = platform.now();
    let (parent, end) = match grant.who() {
        Some(Principal::Token(token)) => (token.parent, Some(token.expires_at)),
        _ => (None, None),
    };
    let wanted = now + life;
    let expires_at = end.map_or(wanted, |end| wanted.min(end));
    let secret = draw_session(kind, platform.entropy.as_ref());
    let id = TokenId::draw(now, platform.entropy.as_ref());
    let kind = match kind {
        SessionKind::Widget => TokenKind::Widget,
        SessionKind::Chat => TokenKind::Chat,
    };
    let digest = secret.digest();
    let new = NewToken { id, kind, digest, parent, username, language, at: now, expires_at };
    match platform.stores.tokens.open(grant, new).await? {
        Creation::Done(()) => Ok(Opened { id, expires_at, secret }),
        _ => Err(Denial::Unauthenticated(Refusal::Revoked).into()),
    }
}
