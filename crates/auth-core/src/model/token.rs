//! Temporary tokens and sessions of the chatbot service: one model, three kinds.

use super::{DomainName, Language, Name};
use crate::{
    id::{AccountId, DomainId, KeyId, TokenId},
    policy::Owned,
    principal::{Tenant, TokenKind, TokenPrincipal},
    secret::TokenDigest,
    time::Timestamp,
};

/// A temporary token or a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its identifier; not the secret.
    pub id: TokenId,
    /// What it is.
    pub kind: TokenKind,
    /// The account that owns the domain.
    pub account: AccountId,
    /// The domain.
    pub domain: DomainId,
    /// The domain's name.
    pub domain_name: DomainName,
    /// The key that minted it, or that minted the token which opened the session.
    pub parent: Option<KeyId>,
    /// The temporary token that opened the session.
    pub opened_by: Option<TokenId>,
    /// Whom it was minted for.
    pub username: Name,
    /// In which language to answer.
    pub language: Option<Language>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends: its own end, or that of its key if that is sooner.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// The principal that its bearer is.
    pub const fn principal(&self) -> TokenPrincipal {
        TokenPrincipal {
            id: self.id,
            kind: self.kind,
            account: self.account,
            domain: self.domain,
            parent: self.parent,
            expires_at: self.expires_at,
        }
    }
}

impl Owned for Token {
    type Id = TokenId;
    fn id(&self) -> TokenId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.account, domain: Some(self.domain) })
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its identifier.
    pub id: TokenId,
    /// What it is.
    pub kind: TokenKind,
    /// SHA-256 of its text.
    pub digest: TokenDigest,
    /// The key whose end is its end too.
    pub parent: Option<KeyId>,
    /// The temporary token that opens the session, and whose end is its end too.
    pub opened_by: Option<TokenId>,
    /// Whom it is for.
    pub username: Name,
    /// In which language to answer.
    pub language: Option<Language>,
    /// When it is made.
    pub at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
