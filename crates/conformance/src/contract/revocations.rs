//! The revocation stream.

use super::{
    cases,
    fixture::{Fixture, granted, hub},
};
use auth_core::port::{About, Notice, Renewal, ReplicaId, RevokeKey, Seq, Standing};
use std::time::Duration;
use tokio::time::{Instant, timeout};

cases! {
    "revocations":
    numbers_follow_without_gaps_in_the_order_of_commits,
    the_head_is_at_least_what_was_answered,
    notices_after_a_number_come_in_order,
    a_replica_is_a_member_from_joining_until_leaving,
    a_renewal_answers_the_head_of_all_openings,
    nothing_is_waited_for_where_nobody_serves,
    a_revocation_waits_for_each_member,
    an_acknowledgement_never_goes_back,
    who_left_is_not_waited_for,
    a_silent_member_is_waited_for_a_lease_and_no_longer,
    of_many_revocations_each_is_settled,
}

const ONE: ReplicaId = ReplicaId([1; 16]);
const TWO: ReplicaId = ReplicaId([2; 16]);
const LONG: Duration = Duration::from_secs(60);
/// Long enough to see that something waits.
const A_WHILE: Duration = Duration::from_millis(50);

/// Makes a key and revokes it: the number of the revocation.
async fn revoked(fixture: &Fixture) -> Seq {
    let key = fixture.key(hub(&fixture.account().await)).await.0;
    fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await.unwrap().unwrap()
}

/// Whether a number is settled long before a lease could have run out.
async fn settles(fixture: &Fixture, seq: Seq) -> bool {
    settles_within(fixture, seq, LONG / 6).await
}

async fn is_member(fixture: &Fixture, replica: ReplicaId) -> bool {
    let renewal = fixture.peer.revocations.renew(replica, LONG).await.unwrap();
    matches!(renewal.standing, Standing::Member(_))
}

async fn waits(fixture: &Fixture, seq: Seq) -> bool {
    !settles_within(fixture, seq, A_WHILE).await
}

async fn settles_within(fixture: &Fixture, seq: Seq, patience: Duration) -> bool {
    let settled = fixture.stores.revocations.settled(seq, LONG);
    timeout(patience, settled).await.map(Result::unwrap).is_ok()
}

async fn numbers_follow_without_gaps_in_the_order_of_commits(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let mut keys = Vec::new();
    for _ in 0..200 {
        keys.push(fixture.key(tenant).await.0);
    }
    let made: Vec<_> = fixture.announced().await.iter().map(|notice| notice.seq.0).collect();
    assert_eq!(made, (1..=200).collect::<Vec<_>>());
    let at = fixture.at();
    let answers = fixture
        .race(200, |number, stores| {
            let grant = granted::<RevokeKey>(&keys[number]);
            async move { stores.keys.revoke(&grant, at).await.unwrap().unwrap() }
        })
        .await;
    let notices = fixture.announced().await;
    let numbers: Vec<_> = notices.iter().map(|notice| notice.seq.0).collect();
    assert_eq!(numbers, (201..=400).collect::<Vec<_>>());
    for (key, seq) in keys.iter().zip(answers) {
        let wanted = Notice { seq, about: About::Key(key.id), ended: true };
        assert_eq!(notices.iter().filter(|notice| **notice == wanted).count(), 1);
    }
}

async fn the_head_is_at_least_what_was_answered(fixture: &Fixture) {
    assert_eq!(fixture.peer.revocations.head().await.unwrap(), Seq(0));
    for _ in 0..10 {
        let seq = revoked(fixture).await;
        for stores in [&fixture.stores, &fixture.peer] {
            assert_eq!(stores.revocations.head().await.unwrap(), seq);
        }
    }
}

async fn notices_after_a_number_come_in_order(fixture: &Fixture) {
    let last = revoked(fixture).await;
    assert_eq!(last, Seq(2));
    let since = async |after| {
        let notices = fixture.peer.revocations.since(Seq(after)).await.unwrap();
        notices.iter().map(|notice| notice.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(since(0).await, [1, 2]);
    assert_eq!(since(1).await, [2]);
    assert_eq!(since(2).await, [0; 0]);
}

async fn a_replica_is_a_member_from_joining_until_leaving(fixture: &Fixture) {
    let member = async |id| is_member(fixture, id).await;
    assert!(!member(ONE).await);
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    assert!(member(ONE).await);
    assert!(!member(TWO).await);
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    assert!(member(ONE).await, "joining again is no error");
    fixture.stores.revocations.leave(ONE).await.unwrap();
    assert!(!member(ONE).await);
    fixture.stores.revocations.leave(ONE).await.unwrap();
    assert!(!fixture.stores.revocations.acknowledge(ONE, Seq(0)).await.unwrap(), "it is told so");
    assert!(!member(ONE).await, "an acknowledgement does not bring it back");
}

async fn a_renewal_answers_the_head_of_all_openings(fixture: &Fixture) {
    for stores in [&fixture.stores, &fixture.peer] {
        stores.revocations.join(ONE, Seq(0)).await.unwrap();
    }
    for _ in 0..10 {
        let head = revoked(fixture).await;
        assert!(fixture.stores.revocations.acknowledge(ONE, head).await.unwrap());
        for stores in [&fixture.stores, &fixture.peer] {
            for _ in 0..2 {
                let renewal = stores.revocations.renew(ONE, LONG).await.unwrap();
                assert_eq!(renewal, Renewal { head, standing: Standing::Member(head) });
                let stranger = stores.revocations.renew(TWO, LONG).await.unwrap();
                assert_eq!(stranger, Renewal { head, standing: Standing::Stranger });
            }
        }
    }
}

async fn nothing_is_waited_for_where_nobody_serves(fixture: &Fixture) {
    let seq = revoked(fixture).await;
    assert!(settles(fixture, seq).await);
}

async fn a_revocation_waits_for_each_member(fixture: &Fixture) {
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    fixture.peer.revocations.join(TWO, Seq(0)).await.unwrap();
    let first = revoked(fixture).await;
    let second = revoked(fixture).await;
    assert!(waits(fixture, first).await, "both are behind");
    fixture.stores.revocations.acknowledge(ONE, second).await.unwrap();
    assert!(waits(fixture, first).await, "one is behind");
    fixture.peer.revocations.acknowledge(TWO, Seq(first.0 - 1)).await.unwrap();
    assert!(waits(fixture, first).await, "one is behind by one");
    fixture.peer.revocations.acknowledge(TWO, first).await.unwrap();
    assert!(settles(fixture, first).await);
    assert!(waits(fixture, second).await, "one has not heard of the second");
    fixture.peer.revocations.acknowledge(TWO, second).await.unwrap();
    assert!(settles(fixture, second).await);
}

async fn an_acknowledgement_never_goes_back(fixture: &Fixture) {
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    let seq = revoked(fixture).await;
    fixture.stores.revocations.acknowledge(ONE, seq).await.unwrap();
    fixture.peer.revocations.acknowledge(ONE, Seq(0)).await.unwrap();
    assert!(settles(fixture, seq).await);
}

async fn who_left_is_not_waited_for(fixture: &Fixture) {
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    let seq = revoked(fixture).await;
    assert!(waits(fixture, seq).await);
    fixture.peer.revocations.leave(ONE).await.unwrap();
    assert!(settles(fixture, seq).await);
}

async fn a_silent_member_is_waited_for_a_lease_and_no_longer(fixture: &Fixture) {
    const LEASE: Duration = Duration::from_millis(200);
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    let seq = revoked(fixture).await;
    fixture.peer.revocations.join(TWO, seq).await.unwrap();
    let begun = Instant::now();
    fixture.stores.revocations.settled(seq, LEASE).await.unwrap();
    assert!(begun.elapsed() >= LEASE, "it may serve until its lease runs out");
    assert!(begun.elapsed() < LONG, "and not for ever");
    assert!(!is_member(fixture, ONE).await, "the silent one is out");
    assert!(is_member(fixture, TWO).await, "the other is not");
    assert!(settles(fixture, seq).await);
}

async fn of_many_revocations_each_is_settled(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.stores.revocations.join(ONE, Seq(0)).await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..200 {
        keys.push(fixture.key(tenant).await.0);
    }
    let peer = fixture.peer.clone();
    let (done, mut stop) = tokio::sync::oneshot::channel::<()>();
    let follower = tokio::spawn(async move {
        while stop.try_recv().is_err() {
            let head = peer.revocations.renew(ONE, LONG).await.unwrap().head;
            peer.revocations.acknowledge(ONE, head).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let at = fixture.at();
    let work = fixture.race(200, |number, stores| {
        let grant = granted::<RevokeKey>(&keys[number]);
        async move {
            let seq = stores.keys.revoke(&grant, at).await.unwrap().unwrap();
            stores.revocations.settled(seq, LONG).await.unwrap();
        }
    });
    assert!(timeout(LONG, work).await.is_ok(), "none waits for a lease");
    done.send(()).unwrap();
    follower.await.unwrap();
    assert!(is_member(fixture, ONE).await);
}
