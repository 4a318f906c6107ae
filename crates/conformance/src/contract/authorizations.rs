//! Transactions of authorization with providers of calendars.

use super::{
    cases,
    fixture::{Fixture, RACE, bearer, count, granted, hub, proof},
    fixture_calendars::{Linker, fitting, just_before, provider},
    keys::revoke,
};
use auth_core::{
    credential::AuthorizationSecrets,
    model::{Authorization, NewAuthorization, Status},
    policy::grant,
    port::{BeginAuthorization, Callback, Creation, MOST_OPEN, Stores},
    time::Timestamp,
};
use std::{iter::zip, time::Duration};

cases! {
    "authorizations":
    one_opening_takes_what_another_began,
    it_is_kept_by_digests_alone,
    a_callback_that_does_not_fit_in_all_takes_nothing,
    it_is_taken_once,
    it_ends_when_it_is_said_to,
    it_goes_with_its_user,
    it_is_good_while_the_key_that_began_it_is,
    a_suspended_account_takes_nothing_until_it_is_revived,
    a_user_has_so_many_open_and_no_more,
    one_that_is_taken_or_over_frees_its_place,
    what_ended_is_forgotten_on_purge_and_no_others,
    who_is_no_key_begins_nothing,
    nothing_is_begun_for_who_is_gone,
    what_fails_midway_leaves_nothing,
    of_many_that_take_it_one_gets_it,
    who_does_not_fit_hinders_nobody,
    of_many_that_begin_together_so_many_are_kept,
}

const MINUTE: Duration = Duration::from_secs(60);
const BEGUN: &str = "calendar.authorization_begun";

async fn taken(stores: &Stores, callback: &Callback, at: Timestamp) -> Option<Authorization> {
    stores.authorizations.take(callback, at).await.unwrap()
}

/// Whether the other process takes it at a time by what fits.
async fn is_taken(fixture: &Fixture, new: &NewAuthorization, at: Timestamp) -> bool {
    taken(&fixture.peer, &fitting(new), at).await.is_some()
}

async fn one_opening_takes_what_another_began(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker("bob@example.com").await;
    fixture.look_away().await;
    for (linker, name, target) in [
        (&alice, "google", "https://app.example.com/linked?from=google"),
        (&bob, "microsoft", "https://app.example.com/"),
    ] {
        let new = NewAuthorization {
            provider: provider(name),
            redirect_after: target.to_owned(),
            ..fixture.new_authorization()
        };
        assert_eq!(fixture.begin_linking(linker, new.clone()).await, Creation::Done(()));
        assert_eq!(fixture.told().await, [BEGUN]);
        let wanted = Authorization {
            account: linker.account.id,
            user: linker.user.id,
            begun_by: linker.key.id,
            provider: new.provider.clone(),
            redirect_after: new.redirect_after.clone(),
        };
        assert_eq!(taken(&fixture.peer, &fitting(&new), fixture.at()).await, Some(wanted));
        fixture.assert_silent("to take is no event of itself").await;
    }
}

async fn it_is_kept_by_digests_alone(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let secrets = AuthorizationSecrets::draw(fixture.entropy());
    let new = NewAuthorization {
        state: secrets.state_digest(),
        binding: secrets.binding_digest(),
        ..fixture.new_authorization()
    };
    assert_eq!(fixture.begin_linking(&alice, new.clone()).await, Creation::Done(()));
    let stored = fixture.place.as_ref().unwrap().whole().await.join("\n");
    let (nonce, verifier) = (secrets.nonce(), secrets.verifier());
    for secret in [secrets.state(), secrets.binding(), &nonce, &verifier] {
        let text = secret.expose();
        // The bytes that it is written in, too.
        let hex = data_encoding::HEXUPPER.encode(text.as_bytes());
        for found in [text, &hex, &hex.to_lowercase()] {
            assert!(!stored.contains(found), "{found} is stored");
        }
    }
    let digest = data_encoding::HEXLOWER.encode(new.state.as_bytes());
    assert!(stored.to_lowercase().contains(&digest), "what is stored is looked at");
    assert!(is_taken(fixture, &new, fixture.at()).await);
}

async fn a_callback_that_does_not_fit_in_all_takes_nothing(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let neighbour = fixture.linker_of(&alice.account, "bob@example.com").await;
    let stranger = fixture.linker("bob@example.com").await;
    let mut begun = Vec::new();
    for linker in [&alice, &alice, &neighbour, &stranger] {
        begun.push((linker, fixture.linking(linker).await));
    }
    fixture.look_away().await;
    let own = fitting(&begun[0].1);
    let unknown = fixture.digest();
    let mut wrong = vec![
        Callback { state: unknown, ..own.clone() },
        Callback { binding: unknown, ..own.clone() },
        Callback { provider: provider("microsoft"), ..own.clone() },
        Callback { provider: provider("google2"), ..own.clone() },
        Callback { state: own.binding, binding: own.state, ..own.clone() },
        Callback { binding: own.state, ..own.clone() },
    ];
    for (_, other) in &begun[1..] {
        wrong.push(Callback { binding: other.binding, ..own.clone() });
        wrong.push(Callback { state: other.state, ..own.clone() });
    }
    for callback in &wrong {
        for stores in fixture.both() {
            assert_eq!(taken(stores, callback, fixture.at()).await, None, "{callback:?}");
        }
    }
    fixture.assert_silent("nothing was taken").await;
    for (linker, new) in &begun {
        let found = taken(&fixture.peer, &fitting(new), fixture.at()).await.unwrap();
        assert_eq!((found.account, found.user), (linker.account.id, linker.user.id));
    }
}

async fn it_is_taken_once(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let (new, other) = (fixture.linking(&alice).await, fixture.linking(&alice).await);
    assert!(is_taken(fixture, &new, fixture.at()).await);
    for stores in fixture.both() {
        assert_eq!(taken(stores, &fitting(&new), fixture.at()).await, None);
        // Nor by a clock that was set back.
        assert_eq!(taken(stores, &fitting(&new), new.at).await, None);
    }
    assert!(is_taken(fixture, &other, fixture.at()).await, "the other one stands");
}

async fn it_ends_when_it_is_said_to(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let (first, second) = (fixture.linking(&alice).await, fixture.linking(&alice).await);
    assert!(is_taken(fixture, &first, just_before(first.expires_at)).await);
    for at in [second.expires_at, second.expires_at + MINUTE] {
        assert!(!is_taken(fixture, &second, at).await, "over at {at}");
    }
    assert!(is_taken(fixture, &second, just_before(second.expires_at)).await, "it was not used up");
}

async fn it_goes_with_its_user(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker_of(&alice.account, "bob@example.com").await;
    let (mut gone, stays) = (Vec::new(), fixture.linking(&bob).await);
    for _ in 0..3 {
        gone.push(fixture.linking(&alice).await);
    }
    fixture.remove_user(&alice.user).await;
    for new in &gone {
        assert!(!is_taken(fixture, new, fixture.at()).await);
    }
    assert!(is_taken(fixture, &stays, fixture.at()).await, "another user's");
}

async fn it_is_good_while_the_key_that_began_it_is(fixture: &Fixture) {
    let account = fixture.account().await;
    let end = fixture.at() + MINUTE;
    let revoked = fixture.linker_of(&account, "alice@example.com").await;
    let ends = fixture.linker_until(&account, "bob@example.com", Some(end)).await;
    // The same users, by a key that lives on.
    let lives = fixture.linker_of(&account, "carol@example.com").await;
    let by_other = |of: &Linker| Linker { user: of.user.clone(), ..lives.clone() };
    let (of_revoked, beside) = (fixture.linking(&revoked).await, fixture.linking(&by_other(&revoked)).await);
    let (before, after) = (fixture.linking(&ends).await, fixture.linking(&ends).await);
    let beside_that = fixture.linking(&by_other(&ends)).await;
    revoke(fixture, &revoked.key).await.unwrap();
    for at in [of_revoked.at, fixture.at()] {
        assert!(!is_taken(fixture, &of_revoked, at).await, "its key was revoked");
    }
    assert!(is_taken(fixture, &beside, fixture.at()).await, "another key began it");
    assert!(is_taken(fixture, &before, just_before(end)).await, "its key is live yet");
    assert!(!is_taken(fixture, &after, end).await, "its key is over");
    assert!(is_taken(fixture, &beside_that, end).await, "another key began it");
}

async fn a_suspended_account_takes_nothing_until_it_is_revived(fixture: &Fixture) {
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let (of_alice, over, of_bob) =
        (fixture.linking(&alice).await, fixture.linking(&alice).await, fixture.linking(&bob).await);
    fixture.suspend_account(&alice.account, Status::Suspended).await;
    for _ in 0..2 {
        assert!(!is_taken(fixture, &of_alice, fixture.at()).await);
    }
    assert!(is_taken(fixture, &of_bob, fixture.at()).await, "another account's");
    fixture.suspend_account(&alice.account, Status::Active).await;
    assert!(is_taken(fixture, &of_alice, fixture.at()).await, "a refusal uses nothing up");
    assert!(!is_taken(fixture, &over, over.expires_at).await, "nor does it make anything last");
}

async fn a_user_has_so_many_open_and_no_more(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let neighbour = fixture.linker_of(&alice.account, "bob@example.com").await;
    let stranger = fixture.linker("alice@example.com").await;
    fixture.look_away().await;
    // They end in another order than they began.
    let minutes = [7, 3, 9, 5, 8];
    assert_eq!(minutes.len(), usize::from(MOST_OPEN));
    let mut begun = Vec::new();
    for minutes in minutes {
        let new = fixture.new_authorization();
        let new = NewAuthorization { expires_at: new.at + minutes * MINUTE, ..new };
        assert_eq!(fixture.begin_linking(&alice, new.clone()).await, Creation::Done(()));
        begun.push(new);
    }
    assert_eq!(fixture.told().await, [BEGUN; 5]);
    let first_end = begun[1].expires_at;
    for stores in fixture.both() {
        for name in ["google", "microsoft"] {
            let new = NewAuthorization { provider: provider(name), ..fixture.new_authorization() };
            let full = stores.authorizations.begin(&alice.begins(), new.clone()).await.unwrap();
            assert_eq!(full, Creation::Full(first_end), "by {name}");
            assert!(!is_taken(fixture, &new, fixture.at()).await);
        }
    }
    fixture.assert_silent("there were too many").await;
    fixture.linking(&neighbour).await;
    fixture.linking(&stranger).await;
    for new in &begun {
        assert!(is_taken(fixture, new, fixture.at()).await, "who came too late takes no place of theirs");
    }
}

async fn one_that_is_taken_or_over_frees_its_place(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let mut begun = Vec::new();
    for minutes in [1, 2, 3, 4, 5] {
        let new = fixture.new_authorization();
        let new = NewAuthorization { expires_at: new.at + minutes * MINUTE, ..new };
        assert_eq!(fixture.begin_linking(&alice, new.clone()).await, Creation::Done(()));
        begun.push(new);
    }
    let begin_at = async |at: Timestamp| {
        let new = NewAuthorization { at, expires_at: at + 9 * MINUTE, ..fixture.new_authorization() };
        fixture.begin_linking(&alice, new).await
    };
    let first_end = begun[0].expires_at;
    let wrong = Callback { binding: fixture.digest(), ..fitting(&begun[3]) };
    assert_eq!(taken(&fixture.peer, &wrong, fixture.at()).await, None);
    assert_eq!(begin_at(fixture.at()).await, Creation::Full(first_end), "what takes nothing frees nothing");
    assert!(is_taken(fixture, &begun[3], fixture.at()).await);
    assert_eq!(begin_at(fixture.at()).await, Creation::Done(()), "one was taken");
    assert_eq!(begin_at(fixture.at()).await, Creation::Full(first_end));
    assert_eq!(begin_at(just_before(first_end)).await, Creation::Full(first_end));
    assert_eq!(begin_at(first_end).await, Creation::Done(()), "one is over");
    assert_eq!(begin_at(first_end).await, Creation::Full(begun[1].expires_at));
}

async fn what_ended_is_forgotten_on_purge_and_no_others(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let mut over = Vec::new();
    // Each is over when the next one begins.
    for _ in 0..600 {
        let new = fixture.new_authorization();
        let new = NewAuthorization { expires_at: new.at + Duration::from_millis(1), ..new };
        assert_eq!(fixture.begin_linking(&alice, new.clone()).await, Creation::Done(()));
        over.push(new);
    }
    let (edge, last) = (fixture.linking(&alice).await, fixture.linking(&alice).await);
    fixture.look_away().await;
    fixture.stores.authorizations.purge(edge.expires_at).await.unwrap();
    fixture.assert_silent("what is over is forgotten without a word").await;
    for new in &over {
        // By a clock that was set back: it is there no more.
        assert!(!is_taken(fixture, new, new.at).await);
    }
    for stands in [&edge, &last] {
        assert!(is_taken(fixture, stands, just_before(stands.expires_at)).await);
    }
}

async fn who_is_no_key_begins_nothing(fixture: &Fixture) {
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    fixture.look_away().await;
    let new = fixture.new_authorization();
    let by_operator = granted::<BeginAuthorization>(&alice.user);
    let begun = fixture.stores.authorizations.begin(&by_operator, new.clone()).await.unwrap();
    assert_eq!(begun, Creation::Stale);
    assert!(!is_taken(fixture, &new, fixture.at()).await);
    fixture.assert_silent("nothing was begun").await;
    assert!(grant::<BeginAuthorization, _>(&proof(bob.who), &alice.user).is_err(), "another account's key");
}

async fn nothing_is_begun_for_who_is_gone(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    fixture.linking(&alice).await;
    fixture.remove_user(&alice.user).await;
    fixture.look_away().await;
    let new = fixture.new_authorization();
    assert_eq!(fixture.begin_linking(&alice, new.clone()).await, Creation::Stale);
    assert!(!is_taken(fixture, &new, fixture.at()).await);
    fixture.assert_silent("nothing was begun").await;
}

async fn what_fails_midway_leaves_nothing(fixture: &Fixture) {
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let own = alice.begins();
    for write in [("INSERT", "authorizations"), ("INSERT", "audit_events"), ("UPDATE", "audit_head")] {
        let begin = fixture.stores.authorizations.begin(&own, fixture.new_authorization());
        fixture.leaves_nothing(write, begin).await;
    }
    fixture.look_away().await;
    // A key that no row is of.
    let unknown = grant(&proof(bearer(hub(&alice.account))), &alice.user).ok().unwrap();
    for _ in 0..=MOST_OPEN {
        let begun = fixture.stores.authorizations.begin(&unknown, fixture.new_authorization()).await;
        assert!(begun.is_err(), "{begun:?}");
    }
    // A `state` that is there: what began with it stands.
    let theirs = fixture.linking(&bob).await;
    assert_eq!(fixture.told().await, [BEGUN]);
    let same = NewAuthorization { state: theirs.state, ..fixture.new_authorization() };
    assert!(fixture.stores.authorizations.begin(&own, same.clone()).await.is_err());
    fixture.assert_silent("it failed").await;
    assert!(!is_taken(fixture, &same, fixture.at()).await);
    assert!(is_taken(fixture, &theirs, fixture.at()).await);
    for _ in 0..MOST_OPEN {
        fixture.linking(&alice).await;
    }
}

async fn of_many_that_take_it_one_gets_it(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    for round in 0..5 {
        let new = fixture.linking(&alice).await;
        let answers = fixture
            .race(RACE, |_, stores| {
                let callback = fitting(&new);
                async move { taken(&stores, &callback, new.at).await.map(|taken| taken.user) }
            })
            .await;
        assert_eq!(count(&answers, &Some(alice.user.id)), 1, "round {round}");
        assert_eq!(count(&answers, &None), RACE - 1, "round {round}");
    }
}

async fn who_does_not_fit_hinders_nobody(fixture: &Fixture) {
    const ALL: usize = 300;
    let alice = fixture.linker("alice@example.com").await;
    for of_browser in [true, false] {
        let new = fixture.linking(&alice).await;
        let wrong = if of_browser {
            Callback { binding: fixture.digest(), ..fitting(&new) }
        } else {
            Callback { provider: provider("microsoft"), ..fitting(&new) }
        };
        let answers = fixture
            .race_to_the_end(ALL, |number, stores| {
                // What does not fit comes first for certain, and then beside what does.
                let fits = number >= ALL / 3 && number / 2 % 3 == 0;
                let callback = if fits { fitting(&new) } else { wrong.clone() };
                async move { (fits, taken(&stores, &callback, new.at).await.is_some()) }
            })
            .await;
        assert_eq!(count(&answers, &(true, true)), 1);
        assert_eq!(count(&answers, &(false, true)), 0);
    }
}

async fn of_many_that_begin_together_so_many_are_kept(fixture: &Fixture) {
    const EACH: usize = 200;
    let alice = fixture.linker("alice@example.com").await;
    let linkers = [alice.clone(), fixture.linker_of(&alice.account, "bob@example.com").await];
    let begun: Vec<_> = (0..2 * EACH).map(|_| fixture.new_authorization()).collect();
    fixture.look_away().await;
    let answers = fixture
        .race(2 * EACH, |number, stores| {
            let (grant, new) = (linkers[number / 2 % 2].begins(), begun[number].clone());
            async move { stores.authorizations.begin(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!(fixture.told().await, [BEGUN; 2 * MOST_OPEN as usize]);
    for (whose, linker) in linkers.iter().enumerate() {
        let theirs = zip(&begun, &answers).enumerate().filter(|(number, _)| number / 2 % 2 == whose);
        let theirs: Vec<_> = theirs.map(|(_, (new, answer))| (new, answer.clone())).collect();
        let kept = theirs.iter().filter(|(_, answer)| *answer == Creation::Done(()));
        let ends: Vec<_> = kept.map(|(new, _)| new.expires_at).collect();
        assert_eq!(ends.len(), usize::from(MOST_OPEN));
        let full = Creation::Full(*ends.iter().min().unwrap());
        assert_eq!(fixture.begin_linking(linker, fixture.new_authorization()).await, full);
        for (new, answer) in theirs {
            assert!(answer == Creation::Done(()) || answer == full, "{answer:?}, not {full:?}");
            assert_eq!(is_taken(fixture, new, fixture.at()).await, answer == Creation::Done(()));
        }
    }
}
