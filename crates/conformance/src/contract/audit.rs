//! The audit trail.

use super::{
    cases,
    fixture::{Fixture, bearer, chatbot, everything, hub, proof, scope_of},
};
use auth_core::{
    audit::{Chained, Entry, Head, Link, Verifier},
    policy::{Granted, Scope},
    port::{AuditFilter, CreateUser, Creation},
    principal::Tenant,
    time::Timestamp,
};

cases! {
    "audit":
    a_new_trail_is_empty,
    entries_are_kept_as_they_were_and_chained_with_the_key,
    an_entry_says_who_did_what_in_whose_affairs_from_where,
    a_scope_holds_its_own_entries_alone,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    filters_are_exact,
    a_scan_goes_on_from_a_number,
    entries_of_one_call_follow_each_other,
    of_many_writers_each_finds_its_place,
}

fn entry(at: Timestamp, actor: &str, tenant: Option<Tenant>, event: &str) -> Entry {
    Entry {
        at,
        actor: actor.to_owned(),
        tenant,
        source: "192.0.2.1".to_owned(),
        request_id: "r".to_owned(),
        event: event.to_owned(),
    }
}

async fn trail(fixture: &Fixture) -> Vec<Chained> {
    fixture.peer.audit.scan(i64::MIN, u16::MAX).await.unwrap()
}

async fn verify(fixture: &Fixture) {
    let mut verifier = Verifier::new(&fixture.chain, []).unwrap();
    for found in trail(fixture).await {
        verifier.next(&found).unwrap();
    }
    verifier.finish(fixture.peer.audit.head().await.unwrap()).unwrap();
}

async fn a_new_trail_is_empty(fixture: &Fixture) {
    assert_eq!(fixture.peer.audit.head().await.unwrap(), Head::START);
    assert_eq!(trail(fixture).await, []);
}

async fn entries_are_kept_as_they_were_and_chained_with_the_key(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let before = fixture.stores.audit.head().await.unwrap();
    let entries = [
        entry(fixture.at(), "operator", None, r#"{"action":"store.initialised"}"#),
        entry(fixture.at(), "key:x", Some(chatbot(&domain)), r#"{"action":"é\u0000' \" %_"}"#),
        Entry { source: String::new(), ..entry(Timestamp::EPOCH, "", None, "") },
    ];
    fixture.stores.audit.append(entries.to_vec()).await.unwrap();
    let (mut previous, mut seq) = (before.link, before.seq);
    for (found, wanted) in trail(fixture).await.iter().skip(2).zip(entries) {
        seq += 1;
        assert_eq!((found.seq, &found.entry, found.previous), (seq, &wanted, previous));
        assert!(fixture.chain.made(found));
        previous = found.link;
    }
    assert_eq!(fixture.peer.audit.head().await.unwrap(), Head { seq: 5, link: previous });
    assert_eq!(trail(fixture).await[0].previous, Link::START);
    verify(fixture).await;
}

async fn an_entry_says_who_did_what_in_whose_affairs_from_where(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let who = bearer(tenant);
    let grant = Granted::<CreateUser>::own(&proof(who)).ok().unwrap();
    let new = fixture.new_user("alice@example.com");
    let (id, at) = (new.id, new.at);
    assert_eq!(fixture.stores.users.create(&grant, new, None).await.unwrap(), Creation::Done(()));
    let wanted = Entry {
        at,
        actor: who.to_string(),
        tenant: Some(tenant),
        source: "127.0.0.1".to_owned(),
        request_id: "contract".to_owned(),
        event: format!(r#"{{"action":"user.created","user":"{id}"}}"#),
    };
    assert_eq!(trail(fixture).await.last().map(|found| &found.entry), Some(&wanted));
}

async fn a_scope_holds_its_own_entries_alone(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let domain = fixture.domain(&own).await;
    let tenants = [None, Some(hub(&own)), Some(hub(&other)), Some(chatbot(&domain))];
    let entries = tenants.map(|tenant| entry(Timestamp::MAX, "test", tenant, "{}"));
    fixture.stores.audit.append(entries.to_vec()).await.unwrap();
    let filter = AuditFilter { actor: Some("test".to_owned()), ..AuditFilter::default() };
    for (scope, seen) in [
        (everything(), vec![3, 2, 1, 0]),
        (scope_of(hub(&own)), vec![3, 1]),
        (scope_of(hub(&other)), vec![2]),
        (scope_of(chatbot(&domain)), vec![3]),
        (Scope::of(None), vec![]),
    ] {
        let listed = fixture.peer.audit.list(scope, &filter, None, 100).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|found| found.entry.tenant).collect();
        assert_eq!(listed, seen.iter().map(|at| tenants[*at]).collect::<Vec<_>>());
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let entries = (0..10).map(|_| entry(Timestamp::EPOCH, "test", None, "{}")).collect();
    fixture.stores.audit.append(entries).await.unwrap();
    let (filter, mut before, mut numbers) = (AuditFilter::default(), None, Vec::new());
    loop {
        let part = fixture.peer.audit.list(everything(), &filter, before, 3).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(last.seq);
        numbers.extend(part.iter().map(|found| found.seq));
    }
    assert_eq!(numbers, (1..=10).rev().collect::<Vec<_>>());
}

async fn filters_are_exact(fixture: &Fixture) {
    let at = Timestamp::from_millis;
    let event = |action: &str, key: &str| format!(r#"{{"action":"{action}","key":"{key}"}}"#);
    let entries = vec![
        entry(at(10), "key:a", None, &event("key.created", "a_c")),
        entry(at(20), "key:ab", None, &event("key.created", "abc")),
        entry(at(30), "key:a", None, &event("key.created2", "a%c")),
    ];
    fixture.stores.audit.append(entries).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default;
    for (filter, wanted) in [
        (none(), vec![3, 2, 1]),
        (AuditFilter { from: Some(at(20)), ..none() }, vec![3, 2]),
        (AuditFilter { to: Some(at(20)), ..none() }, vec![1]),
        (AuditFilter { from: Some(at(10)), to: Some(at(30)), ..none() }, vec![2, 1]),
        (AuditFilter { actor: text("key:a"), ..none() }, vec![3, 1]),
        (AuditFilter { actor: text("key:%"), ..none() }, vec![]),
        (AuditFilter { action: text("key.created"), ..none() }, vec![2, 1]),
        (AuditFilter { action: text("key%"), ..none() }, vec![]),
        (AuditFilter { action: text("KEY.CREATED"), ..none() }, vec![]),
        (AuditFilter { target: text("a_c"), ..none() }, vec![1]),
        (AuditFilter { target: text("a%c"), ..none() }, vec![3]),
        (AuditFilter { target: text("ABC"), ..none() }, vec![]),
        (AuditFilter { target: text("a"), ..none() }, vec![]),
        (AuditFilter { actor: text("key:a"), target: text("abc"), ..none() }, vec![]),
    ] {
        let listed = fixture.peer.audit.list(everything(), &filter, None, 100).await.unwrap();
        let numbers: Vec<_> = listed.iter().map(|found| found.seq).collect();
        assert_eq!(numbers, wanted, "{filter:?}");
    }
}

async fn a_scan_goes_on_from_a_number(fixture: &Fixture) {
    let entries = (0..10).map(|_| entry(Timestamp::EPOCH, "test", None, "{}")).collect();
    fixture.stores.audit.append(entries).await.unwrap();
    let scan = async |from, limit| {
        let found = fixture.peer.audit.scan(from, limit).await.unwrap();
        found.iter().map(|found| found.seq).collect::<Vec<_>>()
    };
    assert_eq!(scan(1, 3).await, [1, 2, 3]);
    assert_eq!(scan(4, 100).await, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(scan(11, 3).await, [0; 0]);
}

async fn entries_of_one_call_follow_each_other(fixture: &Fixture) {
    let batches = fixture
        .race(100, |number, stores| async move {
            let actor = format!("batch{number}");
            let entries = (0..5).map(|at| entry(Timestamp::from_millis(at), &actor, None, "{}")).collect();
            stores.audit.append(entries).await.unwrap();
        })
        .await;
    let found = trail(fixture).await;
    assert_eq!(found.len(), 5 * batches.len());
    for batch in found.chunks(5) {
        let actor = &batch[0].entry.actor;
        assert!(batch.iter().all(|found| found.entry.actor == *actor));
        assert_eq!(batch.iter().map(|found| found.entry.at.millis()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
    verify(fixture).await;
}

async fn of_many_writers_each_finds_its_place(fixture: &Fixture) {
    let at = fixture.at();
    fixture
        .race(1000, |number, stores| async move {
            stores.audit.append(vec![entry(at, &number.to_string(), None, "{}")]).await.unwrap();
        })
        .await;
    let found = trail(fixture).await;
    assert_eq!(found.len(), 1000);
    let mut actors: Vec<usize> = found.iter().map(|found| found.entry.actor.parse().unwrap()).collect();
    actors.sort_unstable();
    assert_eq!(actors, (0..1000).collect::<Vec<_>>(), "each once");
    verify(fixture).await;
}
