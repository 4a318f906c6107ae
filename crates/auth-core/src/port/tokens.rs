//! Temporary tokens and sessions of the chatbot service.

use super::{Answer, Creation, Once, Seq};
use crate::{
    id::TokenId,
    model::{Domain, NewToken, Page, Token},
    policy::{Action, Granted, OwnTarget, Scope},
    principal::{Principal, Tenant, TokenKind, TokenPrincipal},
    secret::TokenDigest,
    time::Timestamp,
};

/// To mint a temporary token for the caller's domain.
#[derive(Debug)]
pub enum MintToken {}
/// To open a session for a domain.
#[derive(Debug)]
pub enum OpenSession {}
/// To end a token or session.
#[derive(Debug)]
pub enum RevokeToken {}

impl Action for MintToken {
    type Object = Tenant;
}
impl OwnTarget for MintToken {
    fn own(who: &Principal) -> Option<Tenant> {
        who.tenant().filter(|tenant| tenant.domain.is_some())
    }
}
impl Action for OpenSession {
    type Object = Domain;
}
impl Action for RevokeToken {
    type Object = Token;
}

/// At most this many sessions that one token opened are live at once: ending it ends and announces each of them, and
/// those that are over and not yet forgotten.
pub const MOST_OPENED: u16 = 1000;

/// Tokens.
#[async_trait::async_trait]
pub trait Tokens: Send + Sync {
    /// What a secret opens. One indexed query.
    async fn find(&self, digest: &TokenDigest) -> Answer<Option<FoundToken>>;
    /// The token with this digest, if within the scope.
    async fn by_digest(&self, scope: Scope, digest: &TokenDigest) -> Answer<Option<Token>>;
    /// The token, if within the scope.
    async fn read(&self, scope: Scope, id: TokenId) -> Answer<Option<Token>>;
    /// The tokens of a kind within the scope, newest first.
    async fn list(&self, kind: TokenKind, scope: Scope, page: Page) -> Answer<Vec<Token>>;
    /// Mints a token. *Stale* where its parent, its domain or its account was ended, or the parent mints it and was
    /// changed since it was judged.
    async fn mint(&self, grant: &Granted<MintToken>, new: NewToken, once: Option<Once>) -> Answer<Creation>;
    /// Opens a session. *Stale* where its parent, the token that opens it, its domain or its account was ended;
    /// *full*, until the first of them ends, where that token has opened [`MOST_OPENED`] that are live.
    async fn open(&self, grant: &Granted<OpenSession>, new: NewToken) -> Answer<Creation>;
    /// Ends a token and the sessions that it opened, and announces each. `None` where it was ended already.
    async fn revoke(&self, grant: &Granted<RevokeToken>, at: Timestamp) -> Answer<Option<Seq>>;
    /// Forgets tokens that ended before a time, a few hundred a transaction; answers how many.
    async fn purge(&self, before: Timestamp) -> Answer<usize>;
}

/// What a secret opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundToken {
    /// The principal that its bearer is.
    pub principal: TokenPrincipal,
    /// The token, its parent or its owner was ended.
    pub ended: bool,
}
