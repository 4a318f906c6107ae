//! The lease of a process whose store answers late, loses what it was told, or never rests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use auth_core::{
    credential::draw_key,
    error::{Denial, FlowError, StoreError},
    flow::{Platform, revoke_key},
    model::{Key, NewKey},
    port::{
        Answer, CreateKey, FoundKey, KeyIndex, Notice, Renewal, ReplicaId, Revocations, RevokeKey, Seq,
        Stores,
    },
    principal::Tenant,
    secret::{PlainToken, TokenDigest},
    service::Service,
    validate::{LEASE, Validator},
};
use auth_web::system::SystemClock;
use conformance::{
    ambient::SeededEntropy,
    contract::{
        Fixture,
        fixture::{everything, granted, hub},
    },
    faults::Faults,
    operator::operator,
    place::Place,
    world::until,
};
use futures_util::{FutureExt as _, future::join_all};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};

/// Two openings of one store.
async fn fixture() -> Fixture {
    Place::fresh().await.fixture().await
}

fn process(stores: Stores, number: u64) -> Platform {
    Platform::new(Service::Hub, stores, Arc::new(SystemClock::start()), Arc::new(SeededEntropy::new(number)))
}

/// Makes a key of the Hub, and answers its text.
async fn key(fixture: &Fixture, tenant: Tenant) -> (Key, PlainToken) {
    let (text, secret) = draw_key(Service::Hub, fixture.entropy());
    let new = NewKey { secret, ..fixture.new_key(Service::Hub) };
    let id = new.id;
    fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
    let key = fixture.stores.keys.read(Service::Hub, everything(), id).await.unwrap().unwrap();
    (key, text.reveal())
}

async fn accepts(platform: &Platform, secret: &PlainToken) -> bool {
    let validator = &platform.validator;
    match validator.authenticate(secret.expose().as_bytes(), None, validator.reading()).await {
        Ok(_) => true,
        Err(FlowError::Denied(Denial::Unauthenticated(_))) => false,
        Err(other) => panic!("neither accepted nor refused: {other:?}"),
    }
}

/// A stream that loses acknowledgements, or announces something new after each.
struct Stream {
    inner: Arc<dyn Revocations>,
    mute: AtomicBool,
    /// Under which names it was joined.
    names: Mutex<Vec<ReplicaId>>,
    restless: Option<Arc<Fixture>>,
}

impl Stream {
    /// That of a fixture, as long as it is not muted.
    fn of(fixture: &Fixture) -> Arc<Self> {
        let inner = Arc::clone(&fixture.peer.revocations);
        Arc::new(Self { inner, mute: AtomicBool::new(false), names: Mutex::default(), restless: None })
    }
}

#[async_trait]
impl Revocations for Stream {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        if self.mute.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        self.names.lock().unwrap().push(replica);
        self.inner.join(replica, applied).await
    }
    async fn news(&self, applied: Seq) {
        self.inner.news(applied).await;
    }
    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal> {
        self.inner.renew(replica, lease).await
    }
    async fn head(&self) -> Answer<Seq> {
        self.inner.head().await
    }
    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        let notices = self.inner.since(after).await;
        if let Some(fixture) = &self.restless {
            fixture.key(hub(&fixture.account().await)).await;
        }
        notices
    }
    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        if self.mute.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        self.inner.acknowledge(replica, applied).await
    }
    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        self.inner.settled(seq, lease).await
    }
    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.inner.leave(replica).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_acknowledge_is_not_accepted_to_be_current() {
    let fixture = fixture().await;
    let tenant = hub(&fixture.account().await);
    let (first, _) = key(&fixture, tenant).await;
    let (second, secret) = key(&fixture, tenant).await;
    let stream = Stream::of(&fixture);
    let deaf = process(Stores { revocations: Arc::clone(&stream) as _, ..fixture.peer.clone() }, 1);
    deaf.validator.renew().await.unwrap();
    assert!(accepts(&deaf, &secret).await);
    assert!(deaf.validator.is_current());

    stream.mute.store(true, Ordering::SeqCst);
    let revoke = async |key| fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await;
    let seq = revoke(first).await.unwrap().unwrap();
    let renewing = async {
        while fixture.peer.revocations.renew(ReplicaId([9; 16]), LEASE).await.is_ok() {
            deaf.validator.renew().await.unwrap_err();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        settled = fixture.stores.revocations.settled(seq, LEASE) => settled.unwrap(),
        () = renewing => {}
    }
    // It has been struck from the list: the next revocation does not wait for it.
    let seq = revoke(second).await.unwrap().unwrap();
    let at_once = fixture.stores.revocations.settled(seq, LEASE);
    tokio::time::timeout(LEASE / 2, at_once).await.expect("nobody is waited for").unwrap();
    assert!(!deaf.validator.is_current());
    assert!(!accepts(&deaf, &secret).await);

    stream.mute.store(false, Ordering::SeqCst);
    deaf.validator.renew().await.unwrap();
    assert!(deaf.validator.is_current(), "it comes back");
    assert!(!accepts(&deaf, &secret).await);
    let names = stream.names.lock().unwrap().clone();
    assert!(names.len() > 1, "it has joined again");
    for (number, name) in names.iter().enumerate() {
        assert!(!names[..number].contains(name), "under a name that it has had: {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_knows_is_not_told_again() {
    let fixture = fixture().await;
    let tenant = hub(&fixture.account().await);
    let (first, _) = key(&fixture, tenant).await;
    let (second, _) = key(&fixture, tenant).await;
    let stream = Stream::of(&fixture);
    let here = process(Stores { revocations: Arc::clone(&stream) as _, ..fixture.peer.clone() }, 1);
    here.validator.renew().await.unwrap();
    let revoke = async |key| fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await;
    let seq = revoke(first).await.unwrap().unwrap();
    here.validator.settle(seq).await.unwrap();
    stream.mute.store(true, Ordering::SeqCst);
    here.validator.settle(seq).await.unwrap();
    assert!(here.validator.is_current(), "it had nothing to say");
    let seq = revoke(second).await.unwrap().unwrap();
    here.validator.settle(seq).await.unwrap();
    assert!(!here.validator.is_current(), "it had, and could not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_hangs_holds_up_a_revocation_for_a_lease_and_no_longer() {
    let fixture = fixture().await;
    let tenant = hub(&fixture.account().await);
    let (first, secret) = key(&fixture, tenant).await;
    let faults = Faults::default();
    let here = process(faults.on(fixture.peer.clone()), 1);
    here.validator.renew().await.unwrap();
    assert!(accepts(&here, &secret).await);
    faults.stall(&["renew"]);
    let hanging = tokio::spawn({
        let validator = Arc::clone(&here.validator);
        async move { validator.renew().await }
    });
    until("a renewal hangs", || faults.has_stalled()).await;
    let proof = operator();
    let revoking = revoke_key(&here, &proof, Service::Hub, first.id);
    tokio::time::timeout(LEASE * 2, revoking).await.expect("it is waited for a lease").unwrap();
    assert!(!here.validator.is_current(), "the lease has run out");
    assert!(!accepts(&here, &secret).await);
    faults.recover();
    hanging.await.unwrap().unwrap();
    here.validator.renew().await.unwrap();
    assert!(here.validator.is_current(), "it comes back");
    assert!(!accepts(&here, &secret).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_never_rests_does_not_starve_the_lease() {
    let fixture = Arc::new(fixture().await);
    let stream = Stream {
        inner: Arc::clone(&fixture.peer.revocations),
        mute: AtomicBool::new(false),
        names: Mutex::default(),
        restless: Some(Arc::clone(&fixture)),
    };
    let busy = process(Stores { revocations: Arc::new(stream), ..fixture.peer.clone() }, 1);
    busy.validator.renew().await.unwrap();
    fixture.key(hub(&fixture.account().await)).await;
    for _ in 0..5 {
        busy.validator.renew().await.unwrap();
        assert!(busy.validator.is_current());
    }
}

/// An index whose list of all secrets, once read, is handed over when it is told to; and each key, too.
struct SlowIndex {
    inner: Arc<dyn KeyIndex>,
    asked: AtomicUsize,
    /// So many keys are handed over.
    answers: Semaphore,
    fails: AtomicBool,
    read: Semaphore,
    go_on: Semaphore,
}

impl SlowIndex {
    fn of(stores: &Stores) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(&stores.key_index),
            asked: AtomicUsize::new(0),
            answers: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            fails: AtomicBool::new(false),
            read: Semaphore::new(0),
            go_on: Semaphore::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeyIndex for SlowIndex {
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.inner.find(service, digest).await;
        self.answers.acquire().await.unwrap().forget();
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("it hung".to_owned()));
        }
        found
    }
    async fn digests_since(&self, service: Service, after: Seq) -> Answer<Vec<TokenDigest>> {
        let digests = self.inner.digests_since(service, after).await;
        if after == Seq(0) {
            self.read.add_permits(1);
            self.go_on.acquire().await.unwrap().forget();
        }
        digests
    }
    async fn touch(&self, uses: &[auth_core::model::KeyUse]) -> Answer<()> {
        self.inner.touch(uses).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_made_while_a_process_begins_is_known_to_it() {
    let fixture = fixture().await;
    let account = fixture.account().await;
    let index = SlowIndex::of(&fixture.peer);
    let starting = process(Stores { key_index: Arc::clone(&index) as _, ..fixture.peer.clone() }, 1);
    let beginning = tokio::spawn({
        let validator = Arc::clone(&starting.validator);
        async move { validator.renew().await }
    });
    index.read.acquire().await.unwrap().forget();
    let (_, secret) = key(&fixture, hub(&account)).await;
    let settling = tokio::spawn({
        let (validator, head) =
            (Arc::clone(&starting.validator), fixture.stores.revocations.head().await.unwrap());
        async move { validator.settle(head).await }
    });
    index.go_on.add_permits(8);
    beginning.await.unwrap().unwrap();
    settling.await.unwrap().unwrap();
    starting.validator.renew().await.unwrap();
    assert!(starting.validator.is_current());
    assert!(accepts(&starting, &secret).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_many_present_at_once_is_asked_for_once() {
    const MANY: usize = 200;
    let fixture = fixture().await;
    let (_, secret) = key(&fixture, hub(&fixture.account().await)).await;
    let index = SlowIndex::of(&fixture.peer);
    index.go_on.add_permits(8);
    let here = process(Stores { key_index: Arc::clone(&index) as _, ..fixture.peer.clone() }, 1);
    // All of them have begun before the store answers anybody.
    let present = async || {
        let before = index.asked();
        index.answers.forget_permits(Semaphore::MAX_PERMITS);
        let authenticate = || {
            let (validator, text) = (&here.validator, secret.expose().as_bytes());
            Box::pin(validator.authenticate(text, None, validator.reading()))
        };
        let mut begun: Vec<_> = std::iter::repeat_with(authenticate).take(MANY).collect();
        begun.retain_mut(|each| each.now_or_never().is_none());
        let waited = begun.len();
        index.answers.add_permits(MANY);
        let answers = join_all(begun).await.into_iter().map(|answer| answer.map(|_| ()));
        (waited, index.asked() - before, answers.collect::<Vec<_>>())
    };
    let good = vec![Ok(()); MANY];
    assert_eq!(present().await, (MANY, MANY, good.clone()), "nobody may believe what another asked before");
    here.validator.renew().await.unwrap();
    index.fails.store(true, Ordering::SeqCst);
    let hung = Err(FlowError::Store(StoreError::Unavailable("it hung".to_owned())));
    assert_eq!(present().await, (MANY, 1, vec![hung; MANY]), "nobody waits for it once more");
    index.fails.store(false, Ordering::SeqCst);
    assert_eq!(present().await, (MANY, 1, good));
    assert_eq!(present().await, (0, 0, Vec::new()), "it is known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_displaces_none_that_is_known() {
    const KNOWN: usize = 20;
    let fixture = fixture().await;
    let tenant = hub(&fixture.account().await);
    let mut known = Vec::new();
    for _ in 0..KNOWN {
        known.push(key(&fixture, tenant).await.1);
    }
    let index = SlowIndex::of(&fixture.peer);
    index.go_on.add_permits(8);
    let stores = Stores { key_index: Arc::clone(&index) as _, ..fixture.peer.clone() };
    // It holds hardly more.
    let validator = Validator::new(Service::Hub, stores, Arc::new(SystemClock::start()), [1; 16], KNOWN + 4);
    validator.renew().await.unwrap();
    let present = async |text: &PlainToken, source: u32| {
        let source = Some(std::net::Ipv4Addr::from_bits(source).into());
        validator.authenticate(text.expose().as_bytes(), source, validator.reading()).await.is_ok()
    };
    for text in &known {
        assert!(present(text, 1).await);
    }
    let entropy = SeededEntropy::new(7);
    for number in 0..20_000_u32 {
        if number.is_multiple_of(1000) {
            validator.renew().await.unwrap();
        }
        let (unknown, _) = draw_key(Service::Hub, &entropy);
        assert!(!present(&unknown.reveal(), number / 100).await);
    }
    validator.renew().await.unwrap();
    let asked = index.asked();
    for text in &known {
        assert!(present(text, 1).await);
    }
    assert_eq!(index.asked(), asked, "each is known still");
    validator.retire().await.unwrap();
}

/// A process that serves from memory, and a key that it knows.
async fn serving(fixture: &Fixture) -> (Platform, Key, PlainToken) {
    let tenant = hub(&fixture.account().await);
    let (key, secret) = key(fixture, tenant).await;
    let here = process(fixture.peer.clone(), 1);
    here.validator.renew().await.unwrap();
    assert!(accepts(&here, &secret).await);
    (here, key, secret)
}

async fn revoke(fixture: &Fixture, key: &Key) -> Seq {
    fixture.stores.keys.revoke(&granted::<RevokeKey>(key), fixture.at()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_list_of_processes_was_lost_every_lease_is_waited_for() {
    for loss in ["DELETE FROM replicas", "UPDATE notice_head SET list = list + 7"] {
        let fixture = fixture().await;
        let (here, key, secret) = serving(&fixture).await;
        fixture.place.as_ref().unwrap().execute(loss).await;
        // It does not hear of anything: it hangs, with a lease.
        let begun = Instant::now();
        let seq = revoke(&fixture, &key).await;
        let accepted = accepts(&here, &secret).await || begun.elapsed() > LEASE;
        assert!(accepted, "{loss}: it serves from memory still");
        fixture.stores.revocations.settled(seq, LEASE).await.unwrap();
        assert!(begun.elapsed() >= LEASE, "{loss}");
        assert!(!here.validator.is_current(), "{loss}");
        assert!(!accepts(&here, &secret).await, "{loss}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_was_lost_gives_no_lease_until_every_other_has_run_out() {
    let fixture = fixture().await;
    let (here, first, secret) = serving(&fixture).await;
    let second = key(&fixture, hub(&fixture.account().await)).await.0;
    let place = fixture.place.as_ref().unwrap();
    let mut begun = Instant::now();
    place.execute("DELETE FROM replicas").await;
    here.validator.renew().await.unwrap_err();
    assert!(!here.validator.is_current(), "its lease ends with the list");
    assert!(accepts(&here, &secret).await, "the store is asked");
    let mut lost_again = false;
    while here.validator.renew().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !lost_again && begun.elapsed() > LEASE / 2 {
            // Whoever joined meanwhile would be lost with it: the time begins anew where the list is another one.
            place.execute("DELETE FROM replicas; UPDATE notice_head SET list = list + 1").await;
            (lost_again, begun) = (true, Instant::now());
        }
        assert!(begun.elapsed() < 4 * LEASE, "it is mended");
    }
    assert!(begun.elapsed() >= LEASE, "{:?}", begun.elapsed());
    assert!(here.validator.is_current());
    let seq = revoke(&fixture, &first).await;
    let both = async { tokio::join!(here.validator.renew(), fixture.stores.revocations.settled(seq, LEASE)) };
    let (renewed, settled) = tokio::time::timeout(LEASE / 2, both).await.expect("it has acknowledged");
    renewed.unwrap();
    settled.unwrap();
    assert!(!accepts(&here, &secret).await);
    // It is a member of the new list: whoever does not hear of it waits for it.
    let seq = revoke(&fixture, &second).await;
    let waiting = tokio::time::timeout(LEASE / 2, fixture.stores.revocations.settled(seq, LEASE)).await;
    assert!(waiting.is_err(), "the new list has it");
}
