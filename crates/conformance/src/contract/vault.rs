//! The keys of the vault, and what they sealed.

use super::{
    cases,
    fixture::{Fixture, count, everything, granted},
    fixture_calendars::{Linker, ending, google, key_name, using, vault_key},
};
use auth_core::{
    model::{NewConnection, Scopes, StoredConnection},
    policy::{Granted, Installation},
    port::{Claiming, Connecting, Forgotten, Rekey, Renewed, Renewing},
    seal::KeyName,
};

cases! {
    "vault":
    keys_are_kept_in_the_order_they_came,
    a_key_that_is_there_keeps_its_first_proof,
    what_other_keys_sealed_is_counted_and_paged,
    tokens_are_sealed_anew_where_the_same_ones_lie,
    of_two_that_change_the_tokens_neither_overwrites_the_other,
    keys_that_seal_nothing_are_retired_and_no_others,
    with_a_key_that_was_retired_nothing_is_sealed,
    what_fails_midway_leaves_nothing,
    of_many_that_bring_a_key_one_is_kept,
    a_key_comes_beside_those_that_were_proved_alone,
    nothing_is_sealed_behind_a_retirement,
}

fn rekey() -> Granted<Rekey> {
    granted(&Installation)
}

/// The names of the keys, as another process reads them.
async fn names(fixture: &Fixture) -> Vec<KeyName> {
    fixture.peer.vault.keys().await.unwrap().into_iter().map(|key| key.name).collect()
}

async fn add(fixture: &Fixture, numbers: &[u8]) {
    for number in numbers {
        fixture.bring(vault_key(*number, b"proof")).await;
    }
}

/// A calendar whose tokens a key sealed.
async fn sealed_by(fixture: &Fixture, linker: &Linker, key: u8) -> StoredConnection {
    let new = fixture.new_connection(linker, &linker.user.id.to_string());
    let new = NewConnection { tokens: fixture.sealed(key_name(key)), ..new };
    assert_eq!(fixture.connect(linker, new).await, Connecting::Done);
    fixture.connection(linker, &google()).await.unwrap()
}

async fn retire(fixture: &Fixture, newest: u8) -> Vec<KeyName> {
    let mut stay = fixture.stores.vault.retire_keys(&rekey(), key_name(newest), fixture.at()).await.unwrap();
    stay.sort_by_key(|name| *name.as_bytes());
    stay
}

async fn keys_are_kept_in_the_order_they_came(fixture: &Fixture) {
    assert_eq!(fixture.peer.vault.keys().await.unwrap(), []);
    let all: Vec<u8> = (0..=255).collect();
    let mut wanted = Vec::new();
    for (number, proof) in [(9, b"nine".to_vec()), (3, all), (0xff, Vec::new()), (1, vec![0; 9])] {
        let key = vault_key(number, &proof);
        fixture.bring(key.clone()).await;
        wanted.push(key);
        assert_eq!(fixture.peer.vault.keys().await.unwrap(), wanted);
    }
    fixture.assert_silent("to bring a key is no event of itself").await;
}

async fn a_key_that_is_there_keeps_its_first_proof(fixture: &Fixture) {
    let (first, second) = (vault_key(2, b"the first proof"), vault_key(1, b"of another key"));
    for key in [&first, &second, &vault_key(1, b""), &vault_key(2, b"another proof")] {
        fixture.bring(key.clone()).await;
        assert!(fixture.peer.vault.add_key(key.clone(), &[], fixture.at()).await.unwrap());
    }
    assert_eq!(fixture.peer.vault.keys().await.unwrap(), [first, second], "and its place");
}

async fn what_other_keys_sealed_is_counted_and_paged(fixture: &Fixture) {
    add(fixture, &[1, 2, 3]).await;
    let account = fixture.account().await;
    let mut stored = Vec::new();
    for number in 0..9 {
        // Of two accounts, and ended ones too: their tokens are needed to tell their providers.
        let address = format!("alice{number}@example.com");
        let linker = if number % 2 == 0 {
            fixture.linker_of(&account, &address).await
        } else {
            fixture.linker(&address).await
        };
        let mut made = sealed_by(fixture, &linker, [1, 2, 3][number % 3]).await;
        if number < 2 {
            made.connection = fixture.ended(&made.connection).await;
        }
        stored.push(made);
    }
    let vault = &fixture.peer.vault;
    for newest in [1, 2, 3, 4] {
        let newest = key_name(newest);
        let wanted: Vec<_> = stored.iter().filter(|stored| stored.tokens.key != newest).cloned().collect();
        let counted = vault.count_sealed_before(newest).await.unwrap();
        assert_eq!(counted, u64::try_from(wanted.len()).unwrap());
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let part = vault.sealed_before(newest, after, 2).await.unwrap();
            assert!(part.len() <= 2);
            let Some(last) = part.last() else { break };
            after = Some(last.connection.id);
            paged.extend(part);
        }
        assert_eq!(paged, wanted);
    }
    assert_eq!(vault.sealed_before(key_name(4), None, 100).await.unwrap(), stored);
}

async fn tokens_are_sealed_anew_where_the_same_ones_lie(fixture: &Fixture) {
    add(fixture, &[1, 2]).await;
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let (stored, beside) = (sealed_by(fixture, &alice, 1).await, sealed_by(fixture, &bob, 1).await);
    fixture.look_away().await;
    let (id, vault) = (stored.connection.id, &fixture.stores.vault);
    let after = fixture.sealed(key_name(2));
    for wrong in [&beside.tokens, &after] {
        assert!(!vault.reseal(&rekey(), id, wrong, after.clone()).await.unwrap(), "others lie there");
    }
    assert!(!vault.reseal(&rekey(), beside.connection.id, &stored.tokens, after.clone()).await.unwrap());
    for unchanged in [&stored, &beside] {
        assert_eq!(fixture.now(&unchanged.connection).await, *unchanged);
    }
    assert!(vault.reseal(&rekey(), id, &stored.tokens, after.clone()).await.unwrap());
    let wanted = StoredConnection { tokens: after.clone(), ..stored.clone() };
    assert_eq!(fixture.now(&stored.connection).await, wanted, "nothing else is another");
    assert!(!vault.reseal(&rekey(), id, &stored.tokens, after).await.unwrap(), "they lie there no more");
    assert_eq!(fixture.now(&beside.connection).await, beside, "another connection");
    assert_eq!(vault.count_sealed_before(key_name(2)).await.unwrap(), 1);
    fixture.assert_silent("the tokens are the same").await;
}

async fn of_two_that_change_the_tokens_neither_overwrites_the_other(fixture: &Fixture) {
    add(fixture, &[1, 2]).await;
    let alice = fixture.linker("alice@example.com").await;
    let stored = sealed_by(fixture, &alice, 1).await;
    let connection = &stored.connection;
    let (claim, at) = fixture.new_claim();
    let claims = &fixture.stores.claims;
    assert!(matches!(claims.claim(&using(connection), claim, at).await.unwrap(), Claiming::Done(_)));
    // It is sealed anew while a provider is asked: the claim stands.
    let anew = fixture.sealed(key_name(2));
    let vault = &fixture.peer.vault;
    assert!(vault.reseal(&rekey(), connection.id, &stored.tokens, anew.clone()).await.unwrap());
    let came = Renewed {
        tokens: fixture.sealed(key_name(1)),
        expires_at: connection.expires_at,
        scopes: Scopes::default(),
        needs_consent: false,
    };
    let answer = claims.renewed(&using(connection), claim, came.clone(), fixture.at()).await.unwrap();
    assert_eq!(answer, Renewing::Done);
    // What was sealed anew from tokens that were read before these came is lost, and not these.
    let late = fixture.sealed(key_name(2));
    for before in [&stored.tokens, &anew] {
        assert!(!vault.reseal(&rekey(), connection.id, before, late.clone()).await.unwrap());
    }
    assert_eq!(fixture.now(connection).await.tokens, came.tokens);
}

async fn keys_that_seal_nothing_are_retired_and_no_others(fixture: &Fixture) {
    add(fixture, &[1, 2, 3, 4]).await;
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let (by_first, by_third) = (sealed_by(fixture, &alice, 1).await, sealed_by(fixture, &bob, 3).await);
    // What is ended is sealed yet.
    fixture.ended(&by_third.connection).await;
    fixture.look_away().await;
    assert_eq!(retire(fixture, 4).await, [key_name(1), key_name(3)]);
    assert_eq!(names(fixture).await, [1, 3, 4].map(key_name));
    assert_eq!(fixture.told().await, ["vault.rekeyed"]);
    assert_eq!(retire(fixture, 4).await, [key_name(1), key_name(3)]);
    fixture.assert_silent("nothing was retired").await;
    let anew = fixture.sealed(key_name(4));
    let vault = &fixture.stores.vault;
    assert!(vault.reseal(&rekey(), by_first.connection.id, &by_first.tokens, anew.clone()).await.unwrap());
    assert_eq!(retire(fixture, 4).await, [key_name(3)]);
    assert_eq!(names(fixture).await, [3, 4].map(key_name));
    assert_eq!(fixture.told().await, ["vault.rekeyed"]);
    for (linker, tokens) in [(&alice, &anew), (&bob, &by_third.tokens)] {
        assert_eq!(fixture.connection(linker, &google()).await.unwrap().tokens, *tokens);
    }
    // The newest one stays, though it seals nothing.
    let other = fixture.sealed(key_name(3));
    assert!(vault.reseal(&rekey(), by_first.connection.id, &anew, other).await.unwrap());
    assert_eq!(retire(fixture, 4).await, [key_name(3)]);
    assert_eq!(names(fixture).await, [3, 4].map(key_name));
    fixture.assert_silent("nothing was retired").await;
}

async fn with_a_key_that_was_retired_nothing_is_sealed(fixture: &Fixture) {
    add(fixture, &[1, 2]).await;
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let stored = sealed_by(fixture, &alice, 2).await;
    let connection = &stored.connection;
    let (claim, at) = fixture.new_claim();
    let claims = &fixture.stores.claims;
    assert!(matches!(claims.claim(&using(connection), claim, at).await.unwrap(), Claiming::Done(_)));
    assert_eq!(retire(fixture, 2).await, []);
    fixture.look_away().await;
    let by_retired = || fixture.sealed(key_name(1));
    let new = NewConnection { tokens: by_retired(), ..fixture.new_connection(&bob, "bob") };
    assert_eq!(fixture.connect(&bob, new).await, Connecting::KeyRetired);
    let again = NewConnection {
        id: connection.id,
        tokens: by_retired(),
        ..fixture.new_connection(&alice, &alice.user.id.to_string())
    };
    assert_eq!(fixture.connect(&alice, again).await, Connecting::KeyRetired);
    let came = Renewed {
        tokens: by_retired(),
        expires_at: connection.expires_at,
        scopes: Scopes::default(),
        needs_consent: false,
    };
    let answer = claims.renewed(&using(connection), claim, came, fixture.at()).await.unwrap();
    assert_eq!(answer, Renewing::KeyRetired);
    let vault = &fixture.stores.vault;
    let resealed = vault.reseal(&rekey(), connection.id, &stored.tokens, by_retired()).await;
    assert!(!matches!(resealed, Ok(true)), "{resealed:?}");
    fixture.assert_silent("nobody opens it").await;
    assert_eq!(fixture.now(connection).await, stored);
    assert_eq!(fixture.peer.connections.list(everything(), bob.user.id).await.unwrap(), []);
    assert_eq!(fixture.peer.vault.count_sealed_before(key_name(2)).await.unwrap(), 0);
}

async fn what_fails_midway_leaves_nothing(fixture: &Fixture) {
    add(fixture, &[1, 2, 3]).await;
    let alice = fixture.linker("alice@example.com").await;
    let stored = sealed_by(fixture, &alice, 1).await;
    let (vault, grant, at) = (&fixture.stores.vault, rekey(), fixture.at());
    for write in [("DELETE", "vault_keys"), ("INSERT", "audit_events"), ("UPDATE", "audit_head")] {
        fixture.leaves_nothing(write, vault.retire_keys(&grant, key_name(3), at)).await;
    }
    let (id, anew) = (stored.connection.id, fixture.sealed(key_name(3)));
    let reseal = vault.reseal(&grant, id, &stored.tokens, anew);
    fixture.leaves_nothing(("UPDATE", "connections"), reseal).await;
    let key = vault_key(4, b"proof");
    fixture.leaves_nothing(("INSERT", "vault_keys"), vault.add_key(key, &[1, 2, 3].map(key_name), at)).await;
    assert_eq!(names(fixture).await, [1, 2, 3].map(key_name));
    assert_eq!(fixture.now(&stored.connection).await, stored);
}

async fn of_many_that_bring_a_key_one_is_kept(fixture: &Fixture) {
    let at = fixture.at();
    let proof = |number: usize| vault_key(7, &number.to_be_bytes());
    let added = fixture
        .race(
            200,
            |number, stores| async move { stores.vault.add_key(proof(number), &[], at).await.unwrap() },
        )
        .await;
    assert!(added.iter().all(|added| *added));
    let kept = fixture.peer.vault.keys().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!((0..200).any(|number| kept[0] == proof(number)));
    add(fixture, &[7]).await;
    assert_eq!(fixture.peer.vault.keys().await.unwrap(), kept);
}

async fn a_key_comes_beside_those_that_were_proved_alone(fixture: &Fixture) {
    let at = fixture.at();
    let added = fixture
        .race(200, |number, stores| async move {
            let key = vault_key(u8::try_from(number).unwrap(), b"proof");
            stores.vault.add_key(key, &[], at).await.unwrap()
        })
        .await;
    let known = names(fixture).await;
    assert_eq!((known.len(), added.iter().filter(|added| **added).count()), (1, 1), "of all first keys one");
    let other = vault_key(250, b"proof");
    let [known, other_name] = [known[0], other.name];
    for wrong in [vec![], vec![other_name], vec![known, other_name]] {
        assert!(!fixture.peer.vault.add_key(other.clone(), &wrong, at).await.unwrap(), "{wrong:?}");
    }
    assert_eq!(names(fixture).await, [known]);
    assert!(fixture.peer.vault.add_key(other, &[known], at).await.unwrap());
    assert_eq!(names(fixture).await, [known, other_name]);
}

async fn nothing_is_sealed_behind_a_retirement(fixture: &Fixture) {
    const ONES: usize = 30;
    // Half of them, by either opening: now one of these comes first, and now one of the others.
    let retires = |number: usize| number / 2 % 2 == 1;
    for round in 0..8 {
        let (old, newest) = (2 * round + 10, 2 * round + 11);
        add(fixture, &[old, newest]).await;
        let first = fixture.linker("alice@example.com").await;
        let mut linkers = Vec::new();
        for number in 0..ONES {
            let user = fixture.user(&first.account, &format!("alice{number}@example.com")).await;
            linkers.push(Linker { user, ..first.clone() });
        }
        let answers = fixture
            .race(ONES, |number, stores| {
                let linker = &linkers[number];
                let new = fixture.new_connection(linker, &linker.user.id.to_string());
                let new = NewConnection { tokens: fixture.sealed(key_name(old)), ..new };
                let connects = linker.connects();
                async move {
                    if retires(number) {
                        stores.vault.retire_keys(&rekey(), key_name(newest), new.at).await.unwrap();
                        return None;
                    }
                    Some(stores.connections.connect(&connects, new).await.unwrap())
                }
            })
            .await;
        let (done, retired) =
            (count(&answers, &Some(Connecting::Done)), count(&answers, &Some(Connecting::KeyRetired)));
        assert_eq!(done + retired, (0..ONES).filter(|number| !retires(*number)).count());
        // Either it was in use before, and stays; or it was retired, and nothing is sealed with it.
        assert!(done == 0 || retired == 0, "{done} were stored, and for {retired} it was retired");
        assert_eq!(names(fixture).await.contains(&key_name(old)), done > 0);
        for linker in &linkers {
            if let Some(stored) = fixture.connection(linker, &google()).await {
                fixture.ended(&stored.connection).await;
                let (claim, at) = fixture.new_claim();
                let grant = ending(&stored.connection);
                let claimed = fixture.stores.claims.claim_ended(&grant, claim, at).await.unwrap();
                assert!(matches!(claimed, Claiming::Done(_)));
                let how = Forgotten::Unsupported;
                assert!(fixture.stores.claims.forget(&grant, claim, how, at).await.unwrap());
            }
        }
    }
}
