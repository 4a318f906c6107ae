//! The contract's cases notice, for passkeys: a store that breaks one promise fails the case of that promise.

use crate::contract::each_is_noticed;
use async_trait::async_trait;
use auth_core::{
    credential::Refresh,
    id::{PasskeyId, SessionId},
    model::{FactorUse, NewPasskey, NewSession, Page, Session, SessionEnd},
    policy::{Granted, OwnPerson},
    port::{
        Answer, BeginSession, Change, Creation, DrawRecoveryCodes, EndSession, EndSessions, EnrolTotp,
        Factors, FoundSession, RemovePasskey, RemoveTotp, Rotation, Seq, Sessions, Stores,
    },
    principal::Origin,
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};
use conformance::{
    contract::Fixture,
    place::{Backend, Place},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// One promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every counter has risen.
    Countless,
    /// Every credential is a new one.
    Double,
    /// What was removed is removed again.
    Repeating,
    /// A passkey is not sealed anew.
    Stale,
    /// Nothing is announced.
    Noticeless,
}
use Fault::{Countless, Double, Noticeless, Repeating, Stale};

/// Every fault, with a case that must notice.
const NOTICED: &[(Fault, &str)] = &[
    (Countless, "passkeys::a_counter_only_rises"),
    (Countless, "passkeys::of_many_that_show_one_passkey_one_begins_a_session"),
    (Double, "passkeys::a_credential_is_one_passkey"),
    (Repeating, "passkeys::a_passkey_is_removed_by_a_session_of_its_person"),
    (Stale, "passkeys::a_passkey_is_sealed_anew_where_it_is_shown"),
    (Noticeless, "passkeys::a_passkey_is_a_factor_once_it_is_registered"),
    (Noticeless, "passkeys::removing_a_passkey_ends_all_sessions"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_noticed() {
    each_is_noticed(NOTICED, broken).await;
}

async fn broken(fault: Fault) -> Fixture {
    let place = Place::on(&Backend::Sqlite).await;
    let counter = Arc::new(AtomicU32::new(1 << 20));
    let open = async || {
        let stores = place.open().await;
        let broken = Arc::new(Broken { inner: stores.clone(), fault, counter: Arc::clone(&counter) });
        Stores { sessions: Arc::clone(&broken) as _, factors: broken, ..stores }
    };
    Fixture::new(open().await, open().await, Place::chain(), Some(place))
}

/// A store that keeps all promises but one.
struct Broken {
    inner: Stores,
    fault: Fault,
    /// What a counter shows next.
    counter: Arc<AtomicU32>,
}

impl Broken {
    fn spoilt(&self, factor: FactorUse) -> FactorUse {
        let next = || self.counter.fetch_add(1, Ordering::Relaxed);
        match (self.fault, factor) {
            (Countless, FactorUse::Passkey { id, resealed, .. }) => {
                FactorUse::Passkey { id, counter: next(), resealed }
            }
            (Stale, FactorUse::Passkey { id, counter, .. }) => {
                FactorUse::Passkey { id, counter, resealed: None }
            }
            (Double, FactorUse::NewPasskey(new)) => {
                let digest = TokenDigest::of(next().to_string());
                FactorUse::NewPasskey(NewPasskey { digest, ..new })
            }
            (_, factor) => factor,
        }
    }
}

#[async_trait]
impl Sessions for Broken {
    async fn find(&self, id: SessionId) -> Answer<Option<FoundSession>> {
        self.inner.sessions.find(id).await
    }
    async fn read(&self, own: OwnPerson, id: SessionId, at: Timestamp) -> Answer<Option<Session>> {
        self.inner.sessions.read(own, id, at).await
    }
    async fn list(&self, own: OwnPerson, at: Timestamp, page: Page) -> Answer<Vec<Session>> {
        self.inner.sessions.list(own, at, page).await
    }
    async fn begin(&self, grant: &Granted<BeginSession>, new: NewSession) -> Answer<Creation<Option<Seq>>> {
        let factor = new.factor.map(|factor| self.spoilt(factor));
        let begun = self.inner.sessions.begin(grant, NewSession { factor, ..new }).await?;
        Ok(match begun {
            Creation::Done(Some(_)) if self.fault == Noticeless => Creation::Done(None),
            begun => begun,
        })
    }
    async fn rotate(
        &self,
        presented: &Refresh,
        next: &TokenDigest,
        sealed: Sealed,
        origin: &Origin,
        at: Timestamp,
    ) -> Answer<Rotation> {
        self.inner.sessions.rotate(presented, next, sealed, origin, at).await
    }
    async fn of_refresh(&self, presented: &Refresh, at: Timestamp) -> Answer<Option<Session>> {
        self.inner.sessions.of_refresh(presented, at).await
    }
    async fn end(&self, grant: &Granted<EndSession>, why: SessionEnd, at: Timestamp) -> Answer<Option<Seq>> {
        self.inner.sessions.end(grant, why, at).await
    }
    async fn end_all(&self, grant: &Granted<EndSessions>, why: SessionEnd, at: Timestamp) -> Answer<Seq> {
        self.inner.sessions.end_all(grant, why, at).await
    }
    async fn purge(&self, before: Timestamp) -> Answer<()> {
        self.inner.sessions.purge(before).await
    }
}

#[async_trait]
impl Factors for Broken {
    async fn is_empty(&self) -> Answer<bool> {
        self.inner.factors.is_empty().await
    }
    async fn enrol(
        &self,
        grant: &Granted<EnrolTotp>,
        secret: Sealed,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change> {
        self.inner.factors.enrol(grant, secret, session, at).await
    }
    async fn remove(
        &self,
        grant: &Granted<RemoveTotp>,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        self.inner.factors.remove(grant, session, at).await
    }
    async fn remove_passkey(
        &self,
        grant: &Granted<RemovePasskey>,
        id: PasskeyId,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let removed = self.inner.factors.remove_passkey(grant, id, session, at).await?;
        Ok(match removed {
            Change::Stale if self.fault == Repeating => Change::Done(Seq(0)),
            Change::Done(_) if self.fault == Noticeless => Change::Done(Seq(0)),
            removed => removed,
        })
    }
    async fn replace_recovery_codes(
        &self,
        grant: &Granted<DrawRecoveryCodes>,
        session: SessionId,
        digests: Vec<TokenDigest>,
        at: Timestamp,
    ) -> Answer<Change> {
        self.inner.factors.replace_recovery_codes(grant, session, digests, at).await
    }
}
