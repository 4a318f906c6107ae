//! Several processes on one store: when an ending has answered, none of them accepts what ended.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::draw_temp_token,
    entropy::Entropy as _,
    error::{Denial, FlowError, Refusal},
    flow::{
        KeyOrder, Platform, change_key, issue_key, revoke_key, revoke_token, rotate_key, set_account_status,
        set_domain_status,
    },
    id::KeyId,
    model::{Account, Domain, KeyPatch, NewToken, Set, Status},
    policy::{Networks, Permission, Permissions, Proof, Rights},
    port::{CreateKey, MintToken},
    principal::{Principal, Tenant, TokenKind},
    secret::PlainToken,
    service::Service,
    time::Clock,
    validate::LEASE,
};
use auth_web::system::SystemClock;
use conformance::{
    ambient::{SeededEntropy, StepClock},
    contract::{
        Fixture,
        fixture::{May, all_rights, chatbot, granted, hub, name, operator, proof},
    },
    place::Place,
    world::until,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// How often a replica renews its lease, as the services do.
const RENEW_EVERY: Duration = Duration::from_millis(10);

/// A process: its core, and the task that keeps it current.
struct Replica {
    platform: Platform,
    stop: watch::Sender<bool>,
    renewing: Option<JoinHandle<()>>,
}

impl Replica {
    fn new(platform: Platform) -> Self {
        Self { platform, stop: watch::channel(false).0, renewing: None }
    }

    /// Renews from now on, and waits for the lease.
    async fn resume(&mut self) {
        self.stop.send_replace(false);
        let (validator, stop) = (Arc::clone(&self.platform.validator), self.stop.subscribe());
        self.renewing = Some(tokio::spawn(async move {
            let mut tick = tokio::time::interval(RENEW_EVERY);
            while !*stop.borrow() {
                validator.renew().await.unwrap();
                tick.tick().await;
            }
        }));
        self.current().await;
    }

    async fn current(&self) {
        until("a replica serves from memory", || self.platform.validator.is_current()).await;
    }

    /// Renews no more, like a process that hangs.
    async fn pause(&mut self) {
        self.stop.send_replace(true);
        if let Some(renewing) = self.renewing.take() {
            renewing.await.unwrap();
        }
    }

    async fn ask(&self, secret: &PlainToken) -> Result<Principal, FlowError> {
        let validator = &self.platform.validator;
        validator.authenticate(secret.expose().as_bytes(), None, validator.reading()).await
    }

    async fn accepts(&self, secret: &PlainToken) -> bool {
        match self.ask(secret).await {
            Ok(_) => true,
            Err(FlowError::Denied(Denial::Unauthenticated(_))) => false,
            Err(other) => panic!("neither accepted nor refused: {other:?}"),
        }
    }
}

/// Several replicas of one service, each with an opening of its own.
struct Cluster {
    service: Service,
    replicas: Vec<Replica>,
    fixture: Fixture,
}

impl Cluster {
    /// On the clocks that are given for each number.
    async fn start<C: Clock + 'static>(service: Service, size: u64, clock: impl Fn(u64) -> C) -> Self {
        let place = Place::fresh().await;
        let stores = place.open().await;
        let mut replicas = Vec::new();
        for number in 0..size {
            let (clock, entropy) = (Arc::new(clock(number)), Arc::new(SeededEntropy::new(100 + number)));
            let mut replica = Replica::new(Platform::new(service, place.open().await, clock, entropy));
            replica.resume().await;
            replicas.push(replica);
        }
        let fixture = Fixture::new(stores.clone(), stores, Place::chain(), Some(place));
        Self { service, replicas, fixture }
    }

    async fn of(service: Service) -> Self {
        Self::start(service, 4, |_| SystemClock::start()).await
    }

    fn at(&self, number: usize) -> &Platform {
        &self.replicas[number].platform
    }

    /// An account with a domain, and the tenant of this cluster's service.
    async fn owners(&self) -> (Account, Domain, Tenant) {
        let account = self.fixture.account().await;
        let domain = self.fixture.domain(&account).await;
        let tenant = match self.service {
            Service::Hub => hub(&account),
            Service::Chatbot => chatbot(&domain),
        };
        (account, domain, tenant)
    }

    /// Makes a key through a replica.
    async fn key(&self, through: usize, tenant: Tenant) -> (PlainToken, KeyId) {
        let order = KeyOrder { service: self.service, name: name("key"), rights: all_rights(self.service) };
        let grant = granted::<CreateKey>(&tenant);
        let issued = issue_key(self.at(through), &by(), &grant, order, |_| None).await.unwrap();
        (issued.secret.reveal(), issued.id)
    }

    /// Which replicas accept a secret; asked twice, so that memory answers too.
    async fn accepting(&self, secret: &PlainToken) -> Vec<bool> {
        let mut accepting = Vec::new();
        for replica in &self.replicas {
            let first = replica.accepts(secret).await;
            assert_eq!(replica.accepts(secret).await, first);
            accepting.push(first);
        }
        accepting
    }

    async fn end(mut self) {
        for replica in &mut self.replicas {
            replica.pause().await;
            replica.platform.validator.retire().await.unwrap();
        }
    }
}

/// The operator's proof.
fn by() -> Proof<'static, May> {
    proof(operator())
}

const ALL: [bool; 4] = [true; 4];
const NONE: [bool; 4] = [false; 4];

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_accepted_by_all_at_once_and_a_revoked_one_by_none() {
    for service in Service::ALL {
        let cluster = Cluster::of(service).await;
        let (_, _, tenant) = cluster.owners().await;
        for round in 0..40 {
            let (secret, id) = cluster.key(round % 4, tenant).await;
            assert_eq!(cluster.accepting(&secret).await, ALL);
            revoke_key(cluster.at(round / 4 % 4), &by(), service, id).await.unwrap();
            assert_eq!(cluster.accepting(&secret).await, NONE);
        }
        cluster.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_accepted_by_none() {
    let cluster = Cluster::of(Service::Chatbot).await;
    let (_, domain, tenant) = cluster.owners().await;
    let (_, parent) = cluster.key(0, tenant).await;
    let mint = async |number: u64| {
        let platform = cluster.at(0);
        let secret = draw_temp_token(&SeededEntropy::new(1000 + number));
        let life = Duration::from_secs(3600);
        let new = NewToken {
            digest: secret.digest(),
            at: platform.now(),
            expires_at: platform.now() + life,
            ..cluster.fixture.new_token(TokenKind::Temp, Some(parent))
        };
        let id = new.id;
        platform.stores.tokens.mint(&granted::<MintToken>(&chatbot(&domain)), new, None).await.unwrap();
        (secret.reveal(), id)
    };
    for number in 0..20 {
        let (secret, id) = mint(number).await;
        assert_eq!(cluster.accepting(&secret).await, ALL);
        revoke_token(cluster.at(1), &by(), id).await.unwrap();
        assert_eq!(cluster.accepting(&secret).await, NONE);
    }
    let (child, _) = mint(100).await;
    assert_eq!(cluster.accepting(&child).await, ALL);
    revoke_key(cluster.at(2), &by(), Service::Chatbot, parent).await.unwrap();
    assert_eq!(cluster.accepting(&child).await, NONE, "a token ends with the key that minted it");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_suspended_account_or_domain_owns_is_accepted_by_none() {
    let cluster = Cluster::of(Service::Chatbot).await;
    let (account, domain, tenant) = cluster.owners().await;
    let (secret, _) = cluster.key(0, tenant).await;
    let (_, _, other) = cluster.owners().await;
    let (untouched, _) = cluster.key(0, other).await;
    for round in 0..10 {
        for (status, wanted) in [(Status::Suspended, NONE), (Status::Active, ALL)] {
            set_account_status(cluster.at(round % 4), &by(), &account, status).await.unwrap();
            assert_eq!(cluster.accepting(&secret).await, wanted);
        }
        for (status, wanted) in [(Status::Suspended, NONE), (Status::Active, ALL)] {
            set_domain_status(cluster.at(round % 4), &by(), &domain, status).await.unwrap();
            assert_eq!(cluster.accepting(&secret).await, wanted);
        }
        assert_eq!(cluster.accepting(&untouched).await, ALL);
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_known_as_it_was_by_none() {
    let cluster = Cluster::of(Service::Hub).await;
    let (_, _, tenant) = cluster.owners().await;
    let (secret, id) = cluster.key(0, tenant).await;
    let all = Permissions::all_of(Service::Hub);
    let less: Permissions = [Permission::BillingAccess].into_iter().collect();
    for round in 0..20 {
        let wanted = [less, all][round % 2];
        let patch = KeyPatch { permissions: Set::To(wanted), ..KeyPatch::default() };
        change_key(cluster.at(round % 4), &by(), Service::Hub, id, &patch).await.unwrap();
        for replica in &cluster.replicas {
            for _ in 0..2 {
                let Ok(Principal::Key(key)) = replica.ask(&secret).await else { panic!("a live key") };
                assert_eq!(key.permissions, wanted);
            }
        }
    }
    let elsewhere = Networks::from_stored("10.0.0.0/8").unwrap();
    let patch = KeyPatch { networks: Set::To(elsewhere), ..KeyPatch::default() };
    change_key(cluster.at(0), &by(), Service::Hub, id, &patch).await.unwrap();
    for replica in &cluster.replicas {
        assert_eq!(replica.ask(&secret).await, Err(Denial::Network.into()));
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_rotated_out_is_accepted_by_none() {
    let cluster = Cluster::of(Service::Hub).await;
    let (_, _, tenant) = cluster.owners().await;
    let (mut old, id) = cluster.key(0, tenant).await;
    for round in 0..20 {
        let rotated =
            rotate_key(cluster.at(round % 4), &by(), Service::Hub, id, Duration::ZERO).await.unwrap();
        let new = rotated.secret.reveal();
        assert_eq!(cluster.accepting(&old).await, NONE);
        assert_eq!(cluster.accepting(&new).await, ALL);
        old = new;
    }
    let overlap = Duration::from_secs(3600);
    let rotated = rotate_key(cluster.at(1), &by(), Service::Hub, id, overlap).await.unwrap();
    assert_eq!(cluster.accepting(&old).await, ALL, "both for a while");
    assert_eq!(cluster.accepting(&rotated.secret.reveal()).await, ALL);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_is_waited_for_until_its_lease_ran_out() {
    let mut cluster = Cluster::of(Service::Hub).await;
    let (_, _, tenant) = cluster.owners().await;
    let (secret, id) = cluster.key(0, tenant).await;
    assert_eq!(cluster.accepting(&secret).await, ALL);
    // Its lease lives on as it hangs, however long the pause itself took.
    loop {
        cluster.replicas[3].pause().await;
        if cluster.replicas[3].platform.validator.is_current() {
            break;
        }
        cluster.replicas[3].resume().await;
    }

    let answered = Arc::new(AtomicBool::new(false));
    let (platform, flag) = (cluster.at(0).clone(), Arc::clone(&answered));
    let revoking = tokio::spawn(async move {
        revoke_key(&platform, &by(), Service::Hub, id).await.unwrap();
        flag.store(true, Ordering::SeqCst);
    });
    // It may accept until the answer is there, and not once after it. It is not waited for without end.
    let begun = Instant::now();
    while !revoking.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is waited for without end");
        let late = answered.load(Ordering::SeqCst);
        let accepted = cluster.replicas[3].accepts(&secret).await;
        assert!(!(late && accepted), "accepted behind the answer");
        tokio::task::yield_now().await;
    }
    revoking.await.unwrap();
    assert!(!cluster.replicas[3].platform.validator.is_current(), "its lease has run out");
    assert_eq!(cluster.accepting(&secret).await, NONE, "it asks the store");

    let next = answers_within_a_lease(&cluster, tenant, "it is waited for once").await;

    cluster.replicas[3].resume().await;
    let (last, last_id) = cluster.key(3, tenant).await;
    assert_eq!(cluster.accepting(&last).await, ALL);
    revoke_key(cluster.at(0), &by(), Service::Hub, last_id).await.unwrap();
    for secret in next.iter().chain([&secret, &last]) {
        assert_eq!(cluster.accepting(secret).await, NONE, "it is back, and has heard of all");
    }
    cluster.end().await;
}

/// Revokes keys until one revocation has answered within a lease: where a silent replica is waited for, none can.
/// The secrets of the keys that were revoked.
async fn answers_within_a_lease(cluster: &Cluster, tenant: Tenant, why: &str) -> Vec<PlainToken> {
    let mut secrets = Vec::new();
    for _ in 0..20 {
        let (secret, id) = cluster.key(0, tenant).await;
        assert_eq!(cluster.accepting(&secret).await, ALL);
        let begun = Instant::now();
        revoke_key(cluster.at(1), &by(), Service::Hub, id).await.unwrap();
        let waited = begun.elapsed();
        assert_eq!(cluster.accepting(&secret).await, NONE);
        secrets.push(secret);
        if waited < LEASE {
            return secrets;
        }
    }
    panic!("no revocation answered within a lease: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_renewal_a_lease_lasts_its_length_and_no_longer() {
    let clocks: Vec<_> = (0..2).map(|_| StepClock::default()).collect();
    let mut cluster =
        Cluster::start(Service::Hub, 2, |number| clocks[usize::try_from(number).unwrap()].clone()).await;
    let (_, _, tenant) = cluster.owners().await;
    let (secret, id) = cluster.key(0, tenant).await;
    assert_eq!(cluster.accepting(&secret).await, [true; 2]);
    cluster.replicas[1].pause().await;
    let paused = Arc::clone(&cluster.at(1).validator);
    clocks[1].advance(LEASE - Duration::from_nanos(1));
    assert!(paused.is_current());
    clocks[1].advance(Duration::from_nanos(1));
    assert!(!paused.is_current());
    // Nothing is known from memory any more: what changed is seen, though nobody told it.
    let rights = Rights { permissions: Permissions::NONE, ..all_rights(Service::Hub) };
    let patch = KeyPatch { permissions: Set::To(rights.permissions), ..KeyPatch::default() };
    change_key(cluster.at(0), &by(), Service::Hub, id, &patch).await.unwrap();
    let Ok(Principal::Key(key)) = cluster.replicas[1].ask(&secret).await else { panic!("a live key") };
    assert_eq!(key.permissions, Permissions::NONE);
    cluster.replicas[1].resume().await;
    assert!(paused.is_current());
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_met_to_the_millisecond_from_memory_and_from_the_store() {
    let clock = StepClock::default();
    let mut cluster = Cluster::start(Service::Hub, 2, |_| clock.clone()).await;
    let (_, _, tenant) = cluster.owners().await;
    let hour = Duration::from_secs(3600);
    let rights = Rights { expires_at: Some(clock.now() + hour), ..all_rights(Service::Hub) };
    let order = KeyOrder { service: Service::Hub, name: name("short"), rights };
    let issued =
        issue_key(cluster.at(0), &by(), &granted::<CreateKey>(&tenant), order, |_| None).await.unwrap();
    let short = issued.secret.reveal();
    let (old, id) = cluster.key(0, tenant).await;
    let rotated = rotate_key(cluster.at(0), &by(), Service::Hub, id, hour).await.unwrap();
    let new = rotated.secret.reveal();
    cluster.replicas[1].pause().await;
    clock.advance(hour - Duration::from_millis(1));
    cluster.replicas[0].current().await;
    assert!(!cluster.replicas[1].platform.validator.is_current(), "the second reads through");
    for secret in [&short, &old, &new] {
        assert_eq!(cluster.accepting(secret).await, [true; 2]);
    }
    clock.advance(Duration::from_millis(1));
    for (secret, wanted) in [(&short, false), (&old, false), (&new, true)] {
        assert_eq!(cluster.accepting(secret).await, [wanted; 2]);
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_replica_is_not_waited_for() {
    let mut cluster = Cluster::of(Service::Hub).await;
    let (_, _, tenant) = cluster.owners().await;
    let (secret, id) = cluster.key(0, tenant).await;
    assert_eq!(cluster.accepting(&secret).await, ALL);
    cluster.replicas[2].pause().await;
    cluster.at(2).validator.retire().await.unwrap();
    revoke_key(cluster.at(0), &by(), Service::Hub, id).await.unwrap();
    assert_eq!(cluster.accepting(&secret).await, NONE);
    answers_within_a_lease(&cluster, tenant, "it left").await;
    cluster.end().await;
}

/// A key in the history: its secret, and whether its revocation has answered.
struct Life {
    secret: PlainToken,
    id: KeyId,
    ended: AtomicBool,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acceptance_begins_behind_the_answer_of_a_revocation() {
    const KEYS: usize = 300;
    let cluster = Cluster::start(Service::Hub, 3, |_| SystemClock::start()).await;
    let (_, _, tenant) = cluster.owners().await;
    let mut lives = Vec::new();
    for number in 0..KEYS {
        let (secret, id) = cluster.key(number % 3, tenant).await;
        lives.push(Life { secret, id, ended: AtomicBool::new(false) });
    }
    let (lives, left) = (Arc::new(lives), Arc::new(AtomicUsize::new(KEYS)));
    // The revocations begin once each key was accepted as often as there are readers, on average; the readers go
    // on until each has been refused as often as there are keys.
    let taken = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..6)
        .map(|number| {
            let (lives, left, taken) = (Arc::clone(&lives), Arc::clone(&left), Arc::clone(&taken));
            let validator = Arc::clone(&cluster.at(number % 3).validator);
            let dice = SeededEntropy::new(u64::try_from(number).unwrap());
            tokio::spawn(async move {
                let mut refused = 0_usize;
                while left.load(Ordering::SeqCst) > 0 || refused < KEYS {
                    let life = &lives[below(&dice, KEYS)];
                    let ended = life.ended.load(Ordering::SeqCst);
                    match validator
                        .authenticate(life.secret.expose().as_bytes(), None, validator.reading())
                        .await
                    {
                        Ok(_) if ended => panic!("accepted behind the answer"),
                        Ok(_) => _ = taken.fetch_add(1, Ordering::SeqCst),
                        Err(FlowError::Denied(Denial::Unauthenticated(Refusal::Revoked))) => refused += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    until("each key is accepted", || taken.load(Ordering::SeqCst) > 6 * KEYS).await;
    let revokers: Vec<_> = (0..4)
        .map(|number| {
            let (lives, left) = (Arc::clone(&lives), Arc::clone(&left));
            let platform = cluster.at(number % 3).clone();
            tokio::spawn(async move {
                for life in lives.iter().skip(number).step_by(4) {
                    revoke_key(&platform, &by(), Service::Hub, life.id).await.unwrap();
                    life.ended.store(true, Ordering::SeqCst);
                    left.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for revoker in revokers {
        revoker.await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    for life in lives.iter() {
        assert_eq!(cluster.accepting(&life.secret).await, [false; 3]);
    }
    cluster.end().await;
}

fn below(dice: &SeededEntropy, end: usize) -> usize {
    let mut bytes = [0; 4];
    dice.fill(&mut bytes);
    usize::try_from(u32::from_le_bytes(bytes)).unwrap() % end
}
