//! A store of keys that takes no time worth speaking of: what is measured is the validator.

use auth_core::{
    id::{AccountId, KeyId},
    model::{KeyUse, Version},
    policy::{Networks, Permissions},
    port::{Answer, FoundKey, KeyIndex, Limits, Notice, Renewal, ReplicaId, Revocations, Seq, Standing},
    principal::{KeyPrincipal, Tenant},
    secret::TokenDigest,
    service::Service,
};
use std::{collections::HashMap, time::Duration};

/// Keys by digest: the n-th has the id n.
pub(crate) struct Memory(pub(crate) HashMap<[u8; 32], u32>);

#[async_trait::async_trait]
impl KeyIndex for Memory {
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>> {
        let found = |number: &u32| FoundKey {
            principal: KeyPrincipal {
                id: KeyId::from_bytes(u128::from(*number).to_be_bytes()),
                service,
                tenant: Tenant { account: AccountId::from_bytes([7; 16]), domain: None },
                permissions: Permissions::all_of(service),
                expires_at: None,
                version: Version::FIRST,
            },
            limits: Limits { networks: Networks::ANY, rate_limit: None },
            ended: false,
        };
        Ok(self.0.get(digest.as_bytes()).map(found))
    }
    async fn digests_since(&self, _: Service, after: Seq) -> Answer<Vec<TokenDigest>> {
        let all = self.0.keys().map(|digest| TokenDigest::from_bytes(*digest));
        Ok(all.filter(|_| after == Seq(0)).collect())
    }
    async fn touch(&self, _: &[KeyUse]) -> Answer<()> {
        Ok(())
    }
}

/// A revocation stream in which nothing happens.
pub(crate) struct Silence;

#[async_trait::async_trait]
impl Revocations for Silence {
    async fn join(&self, _: ReplicaId, _: Seq) -> Answer<()> {
        Ok(())
    }
    async fn news(&self, _: Seq) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    async fn renew(&self, _: ReplicaId, _: Duration) -> Answer<Renewal> {
        Ok(Renewal { head: Seq(0), standing: Standing::Member(Seq(0)) })
    }
    async fn head(&self) -> Answer<Seq> {
        Ok(Seq(0))
    }
    async fn since(&self, _: Seq) -> Answer<Vec<Notice>> {
        Ok(Vec::new())
    }
    async fn acknowledge(&self, _: ReplicaId, _: Seq) -> Answer<bool> {
        Ok(true)
    }
    async fn settled(&self, _: Seq, _: Duration) -> Answer<()> {
        Ok(())
    }
    async fn leave(&self, _: ReplicaId) -> Answer<()> {
        Ok(())
    }
}
