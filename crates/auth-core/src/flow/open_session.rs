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

/// Opens a session for a domain. One that a temporary token opened ends with that token and with the key
/// behind it.
///
/// # Errors
/// Where the token, its key or the domain was ended meanwhile: [`Refusal::Revoked`], and [`Denial::Absent`]
/// for a page, which has no credential to be refused; [`Denial::Throttled`] where the token has opened as many as
/// may be live.
pub async fn open_session(
    platform: &Platform,
    grant: &Granted<OpenSession>,
    kind: SessionKind,
    username: Name,
    language: Option<Language>,
    life: Duration,
) -> Result<Opened, FlowError> {
    let now = platform.now();
    let opener = match grant.who() {
        Some(Principal::Token(token)) => Some(token),
        _ => None,
    };
    let wanted = now + life;
    let expires_at = opener.map_or(wanted, |token| wanted.min(token.expires_at));
    let secret = draw_session(kind, platform.entropy.as_ref());
    let id = TokenId::draw(now, platform.entropy.as_ref());
    let kind = match kind {
        SessionKind::Widget => TokenKind::Widget,
        SessionKind::Chat => TokenKind::Chat,
    };
    let new = NewToken {
        id,
        kind,
        digest: secret.digest(),
        parent: opener.and_then(|token| token.parent),
        opened_by: opener.map(|token| token.id),
        username,
        language,
        at: now,
        expires_at,
    };
    match platform.stores.tokens.open(grant, new).await? {
        Creation::Done(()) => Ok(Opened { id, expires_at, secret }),
        Creation::Full(until) => Err(Denial::Throttled { retry_after: until.since(now) }.into()),
        _ if opener.is_none() => Err(Denial::Absent.into()),
        _ => Err(Denial::Unauthenticated(Refusal::Revoked).into()),
    }
}
