use super::*;
use crate::{
    id::{AccountId, KeyId},
    model::Version,
    policy::Permissions,
    port::About,
    principal::{KeyPrincipal, Principal, Tenant},
    service::Service,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn digest(n: u32) -> TokenDigest {
    TokenDigest::of(format!("secret {n}"))
}

fn key(n: u32) -> KeyId {
    KeyId::from_bytes((u128::from(n) + 1).to_be_bytes())
}

fn record(n: u32) -> Record {
    let tenant = Tenant { account: AccountId::from_bytes([u8::try_from(n % 7).unwrap(); 16]), domain: None };
    let principal = Principal::Key(KeyPrincipal {
        id: key(n),
        service: Service::Hub,
        tenant,
        permissions: Permissions::from_bits(n % 512),
        expires_at: None,
        version: Version::FIRST,
    });
    Record { principal, state: State::Live, limited: false }
}

fn notice(seq: i64, about: About, ended: bool) -> Notice {
    Notice { seq: Seq(seq), about, ended }
}

fn held(table: &Table, n: u32) -> Option<Record> {
    table.read().find(digest(n).words(), NOW).and_then(Record::unpack)
}

#[test]
fn everything_filled_is_found_again_through_growth() {
    let table = Table::new(usize::MAX);
    for n in 0..30_000 {
        table.fill(Seq(0), &digest(n), record(n), NOW);
        if n == 10_000 {
            assert!((0..=n).all(|n| held(&table, n) == Some(record(n))), "while the tags are near");
        }
    }
    assert!(table.groups.load().tags.len() > FAR);
    for n in 0..30_000 {
        assert_eq!(held(&table, n), Some(record(n)));
    }
    assert!((30_000..40_000).all(|n| held(&table, n).is_none()));
}

#[test]
fn a_notice_ends_what_it_touches_and_nothing_else() {
    let table = Table::new(usize::MAX);
    (0..100).for_each(|n| table.fill(Seq(0), &digest(n), record(n), NOW));
    let account = record(3).principal.tenant().unwrap().account;
    let notices = [notice(1, About::Key(key(5)), true), notice(2, About::Account(account), false)];
    assert_eq!(table.apply(&notices), Ok(Seq(2)));
    for n in 0..100 {
        let state = held(&table, n).map(|record| record.state);
        let expected = match n {
            5 => Some(State::Ended),
            _ if n % 7 == 3 => None,
            _ => Some(State::Live),
        };
        assert_eq!(state, expected, "{n}");
    }
}

#[test]
fn a_slow_fill_never_revives_what_was_ended_meanwhile() {
    let table = Table::new(usize::MAX);
    let noted = table.applied();
    table.apply(&[notice(1, About::Key(key(1)), true)]).unwrap();
    table.fill(noted, &digest(1), record(1), NOW);
    assert_eq!(held(&table, 1), None, "dropped");
    table.fill(noted, &digest(2), record(2), NOW);
    assert_eq!(held(&table, 2), Some(record(2)), "the notice was not about this one");

    table.apply(&[notice(2, About::Key(key(2)), true)]).unwrap();
    table.fill(table.applied(), &digest(2), record(2), NOW);
    assert_eq!(held(&table, 2).map(|record| record.state), Some(State::Ended), "terminal");
}

#[test]
fn a_fill_older_than_all_that_is_remembered_is_dropped() {
    let table = Table::new(usize::MAX);
    let count = i64::try_from(RECENT).unwrap() + 1;
    let notices: Vec<_> = (1..=count).map(|seq| notice(seq, About::Key(key(9)), true)).collect();
    table.apply(&notices).unwrap();
    table.fill(Seq(0), &digest(1), record(1), NOW);
    assert_eq!(held(&table, 1), None);
    table.fill(Seq(1), &digest(1), record(1), NOW);
    assert_eq!(held(&table, 1), Some(record(1)));
}

#[test]
fn a_gap_in_the_numbers_is_seen() {
    let table = Table::new(usize::MAX);
    assert_eq!(table.apply(&[notice(1, About::NewSecrets, false)]), Ok(Seq(1)));
    assert_eq!(table.apply(&[notice(3, About::NewSecrets, false)]), Err(Seq(2)));
    assert_eq!(table.applied(), Seq(1));
    let again = [notice(1, About::NewSecrets, false), notice(2, About::NewSecrets, false)];
    assert_eq!(table.apply(&again), Ok(Seq(2)), "what was applied is skipped");
}

#[test]
fn a_full_table_displaces_the_longest_unused_and_stays_bounded() {
    let table = Table::new(LEAST_GROUPS * 7);
    for n in 0..20_000 {
        table.fill(Seq(0), &digest(n), record(n), NOW);
        assert_eq!(held(&table, n), Some(record(n)), "the newest is held");
    }
    let groups = table.groups.load();
    assert!(groups.tags.len() <= LEAST_GROUPS * 2);
    let free = |tags: &AtomicU64| zero_bytes(tags.load(Ordering::Relaxed)) != 0;
    assert!(groups.tags.iter().any(free), "a search for an unknown digest still ends");
}

#[test]
fn what_was_used_last_stays_when_others_are_displaced() {
    let table = Table::new(LEAST_GROUPS * 7);
    table.fill(Seq(0), &digest(0), record(0), NOW);
    let later = Timestamp::from_millis(NOW.millis() + 60_000);
    assert!(table.read().find(digest(0).words(), later).is_some());
    assert!(table.read().find(digest(0).words(), NOW).is_some(), "a clock that steps back");
    for n in 1..20_000 {
        table.fill(Seq(0), &digest(n), record(n), NOW);
    }
    assert_eq!(held(&table, 0), Some(record(0)));
}

#[test]
fn readers_beside_a_writer_see_whole_records_only() {
    let table = Arc::new(Table::new(usize::MAX));
    (0..64).for_each(|n| table.fill(Seq(0), &digest(n), record(n), NOW));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen: Arc<[AtomicU64; 3]> = Arc::default();
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (table, stop, seen) = (Arc::clone(&table), Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for n in 0..64 {
                        if let Some(found) = held(&table, n) {
                            assert_eq!(found.principal, record(n).principal);
                            seen[reader].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    // The writer goes on until each reader has seen much beside it, however they take turns.
    seen.iter().for_each(|seen| seen.store(0, Ordering::Relaxed));
    let few = || seen.iter().any(|seen| seen.load(Ordering::Relaxed) < 1000);
    let mut seq = 0;
    while seq < 3000 || (few() && seq < 10_000) {
        seq += 1;
        let n = u32::try_from(seq % 64).unwrap();
        table.apply(&[notice(seq, About::Key(key(n)), false)]).unwrap();
        table.fill(Seq(seq), &digest(n), record(n), NOW);
        table.fill(Seq(seq), &digest(1000 + u32::try_from(seq % 3000).unwrap()), record(5000), NOW);
    }
    assert!(!few(), "no reader was beside the writer");
    stop.store(true, Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}
