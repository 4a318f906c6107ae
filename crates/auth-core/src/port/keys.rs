//! API keys of both services.

use super::{Answer, Change, Creation, Once, Seq};
use crate::{
    credential::NewSecret,
    id::KeyId,
    model::{Key, KeyPatch, KeyUse, NewKey, Page, Version},
    policy::{Action, Bounded, Granted, Installation, Networks, OwnTarget, Scope},
    principal::{KeyPrincipal, Principal, Tenant},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use std::num::NonZeroU32;

/// To make a key of a tenant.
#[derive(Debug)]
pub enum CreateKey {}
/// To change a key.
#[derive(Debug)]
pub enum ChangeKey {}
/// To give a key a new secret.
#[derive(Debug)]
pub enum RotateKey {}
/// To end a key.
#[derive(Debug)]
pub enum RevokeKey {}
/// To take over keys of the earlier system.
#[derive(Debug)]
pub enum ImportKeys {}

impl Action for CreateKey {
    type Object = Tenant;
}
impl OwnTarget for CreateKey {
    fn own(who: &Principal) -> Option<Tenant> {
        who.tenant()
    }
}
impl Action for ChangeKey {
    type Object = Key;
}
impl Action for RotateKey {
    type Object = Key;
}
impl Action for RevokeKey {
    type Object = Key;
}
impl Action for ImportKeys {
    type Object = Installation;
}

/// API keys, as they are managed.
#[async_trait::async_trait]
pub trait Keys: Send + Sync {
    /// The key of a service, if within the scope.
    async fn read(&self, service: Service, scope: Scope, id: KeyId) -> Answer<Option<Key>>;
    /// The keys of a service within the scope, newest first, revoked ones too.
    async fn list(&self, service: Service, scope: Scope, page: Page) -> Answer<Vec<Key>>;
    /// Makes a key. *Stale* where the maker's key changed or ended since its rights were compared, or the session or the
    /// role of the person who makes it has ended; *taken* where the secret is known.
    async fn create(
        &self,
        grant: &Granted<CreateKey>,
        new: NewKey,
        once: Option<Once>,
    ) -> Answer<Creation<Seq>>;
    /// Makes keys of the earlier system, all or none of them but those whose secret is known already; answers
    /// for each whether it was made.
    async fn import(
        &self,
        grant: &Granted<ImportKeys>,
        new: Vec<(Tenant, NewKey)>,
    ) -> Answer<(Vec<bool>, Seq)>;
    /// Changes a live key that is still at `version`, as long as its maker stands; `rights` are those after the patch.
    async fn change(
        &self,
        grant: &Granted<ChangeKey>,
        version: Version,
        patch: KeyPatch,
        rights: Bounded,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>>;
    /// Gives a live key that is still at `version` a new secret; those before it end at `old_until`, or
    /// sooner if they would have. Where that is not after `at` they have ended, also for a clock that steps back.
    async fn rotate(
        &self,
        grant: &Granted<RotateKey>,
        version: Version,
        rights: Bounded,
        secret: NewSecret,
        old_until: Timestamp,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>>;
    /// Ends a key, its secrets and all that it minted. `None` where it was ended already.
    async fn revoke(&self, grant: &Granted<RevokeKey>, at: Timestamp) -> Answer<Option<Seq>>;
}

/// API keys, as a validator looks them up.
#[async_trait::async_trait]
pub trait KeyIndex: Send + Sync {
    /// The key that a secret opens at a service. One indexed query.
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>>;
    /// The secrets of a service that were announced after a number, or all of them where those are very many; from 0, all.
    async fn digests_since(&self, service: Service, after: Seq) -> Answer<Vec<TokenDigest>>;
    /// Adds to how often keys were used, and notes when last, which never goes back. A key may be named more than
    /// once; one that is not there is passed over. All or nothing; where the answer is lost it may be all, so that who
    /// calls again may count twice.
    async fn touch(&self, uses: &[KeyUse]) -> Answer<()>;
}

/// What a secret opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// The principal that its bearer is.
    pub principal: KeyPrincipal,
    /// From where and how often.
    pub limits: Limits,
    /// The key, the secret or the owner was ended.
    pub ended: bool,
}

impl FoundKey {
    /// Whether it is accepted at a time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.ended && self.principal.expires_at.is_none_or(|end| end > now)
    }
}

/// From where and how often a key may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From where.
    pub networks: Networks,
    /// Requests a minute.
    pub rate_limit: Option<NonZeroU32>,
}

impl Limits {
    /// Whether there are none.
    pub const fn are_none(&self) -> bool {
        self.networks.is_any() && self.rate_limit.is_none()
    }
}
