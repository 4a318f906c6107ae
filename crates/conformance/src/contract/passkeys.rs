//! Passkeys of people, and the sessions that they begin.

use super::{
    cases,
    factors::{begin_by, draw, ended, enrolled, now, race, sealed},
    fixture::{Fixture, RACE, count, granted},
    fixture_people::{begun, session_grant},
    members::given,
};
use auth_core::{
    id::PasskeyId,
    model::{FactorUse, Login, NewPasskey, NewSession, PasskeyFactor, PasskeyName, Session},
    policy::Role,
    port::{About, Change, Creation, Notice, PersonChange, RemovePasskey, RemovePerson, RemoveTotp},
    webauthn::MOST_PASSKEYS,
};

cases! {
    "passkeys":
    a_passkey_is_a_factor_once_it_is_registered,
    registering_ends_all_sessions_and_logins_that_are_under_way,
    a_credential_is_one_passkey,
    of_many_registrations_of_one_credential_one_is_done,
    nobody_has_more_than_may_be,
    a_counter_only_rises,
    of_many_that_show_one_passkey_one_begins_a_session,
    a_passkey_is_its_persons,
    a_passkey_is_sealed_anew_where_it_is_shown,
    removing_a_passkey_ends_all_sessions,
    a_passkey_is_removed_by_a_session_of_its_person,
    with_the_last_factor_go_the_recovery_codes,
    who_is_removed_leaves_no_passkey,
}

/// A passkey of a person: of this credential, sealed as this, with its counter there.
fn new_passkey(fixture: &Fixture, credential: u8, counter: u32) -> NewPasskey {
    NewPasskey {
        id: PasskeyId::draw(fixture.at(), fixture.entropy()),
        digest: auth_core::webauthn::Passkey::digest(&[credential]),
        name: PasskeyName::parse("A telephone").unwrap(),
        sealed: sealed(credential),
        counter,
    }
}

const fn shown(id: PasskeyId, counter: u32) -> FactorUse {
    FactorUse::Passkey { id, counter, resealed: None }
}

/// A person with a passkey, and the session that it began.
async fn with_passkey(
    fixture: &Fixture,
    address: &str,
    credential: u8,
    counter: u32,
) -> (Login, Session, PasskeyId) {
    let login = fixture.person(address).await;
    let new = new_passkey(fixture, credential, counter);
    let id = new.id;
    let (done, session) = begin_by(fixture, &login, FactorUse::NewPasskey(new)).await;
    assert!(matches!(done, Creation::Done(_)), "{done:?}");
    (now(fixture, &login).await, session, id)
}

async fn remove(fixture: &Fixture, login: &Login, id: PasskeyId, session: &Session) -> bool {
    let grant = granted::<RemovePasskey>(&login.person);
    let removed = fixture.stores.factors.remove_passkey(&grant, id, session.id, fixture.at()).await.unwrap();
    assert_ne!(removed, Change::Taken);
    removed != Change::Stale
}

async fn a_passkey_is_a_factor_once_it_is_registered(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (first, _) = begun(fixture, &login).await;
    assert!(login.passkeys.is_empty() && !login.has_factor());
    assert!(fixture.peer.factors.is_empty().await.unwrap());
    fixture.look_away().await;
    let new = new_passkey(fixture, 1, 7);
    let (done, session) = begin_by(fixture, &login, FactorUse::NewPasskey(new.clone())).await;
    let Creation::Done(Some(seq)) = done else { panic!("{done:?}") };
    assert_eq!(fixture.told().await, ["person.factor_enrolled"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert!(ended(fixture, &first).await && !ended(fixture, &session).await);
    let after = now(fixture, &login).await;
    let NewPasskey { id, digest, name, sealed, counter } = new;
    let created_at = session.created_at;
    let kept = PasskeyFactor { id, digest, name, sealed, counter, created_at, last_used_at: None };
    assert_eq!((after.passkeys.as_slice(), after.totp.is_none()), ([kept].as_slice(), true));
    assert!(after.has_factor() && !after.has_totp() && after.person.version != login.person.version);
    assert!(!fixture.peer.factors.is_empty().await.unwrap());
    let (done, later) = begin_by(fixture, &login, shown(id, 8)).await;
    assert_eq!(done, Creation::Done(None));
    assert_eq!(fixture.told().await, ["person.logged_in"]);
    let kept = now(fixture, &login).await.passkeys.remove(0);
    assert_eq!((kept.counter, kept.last_used_at), (8, Some(later.created_at)));
}

async fn registering_ends_all_sessions_and_logins_that_are_under_way(fixture: &Fixture) {
    let (login, session, _) = with_passkey(fixture, "alice@example.com", 1, 0).await;
    let (strange, _) = begun(fixture, &fixture.person("bob@example.com").await).await;
    let (under_way, _, new) = fixture.new_session(&login, None);
    let another = FactorUse::NewPasskey(new_passkey(fixture, 2, 0));
    let (done, last) = begin_by(fixture, &login, another).await;
    assert!(matches!(done, Creation::Done(Some(_))));
    assert!(
        ended(fixture, &session).await && !ended(fixture, &strange).await && !ended(fixture, &last).await
    );
    let late = fixture.stores.sessions.begin(&session_grant(&login, &under_way), new).await.unwrap();
    assert_eq!(late, Creation::Stale, "who proved themself before begins nothing by it");
    assert_eq!(now(fixture, &login).await.passkeys.len(), 2);
}

async fn a_credential_is_one_passkey(fixture: &Fixture) {
    let (alice, session, id) = with_passkey(fixture, "alice@example.com", 1, 5).await;
    let bob = fixture.person("bob@example.com").await;
    fixture.look_away().await;
    for login in [&alice, &bob] {
        let again = FactorUse::NewPasskey(new_passkey(fixture, 1, 0));
        assert_eq!(begin_by(fixture, login, again).await.0, Creation::Stale);
    }
    fixture.assert_silent("a credential that is somebody's").await;
    assert!(!ended(fixture, &session).await);
    let kept = now(fixture, &alice).await.passkeys;
    assert_eq!((kept.len(), kept[0].id, kept[0].counter), (1, id, 5));
    assert!(now(fixture, &bob).await.passkeys.is_empty());
}

async fn of_many_registrations_of_one_credential_one_is_done(fixture: &Fixture) {
    let people = [fixture.person("alice@example.com").await, fixture.person("bob@example.com").await];
    let tries: Vec<_> = (0..RACE)
        .map(|number| {
            let login = &people[number % 2];
            let (session, _, new) = fixture.new_session(login, None);
            let factor = Some(FactorUse::NewPasskey(new_passkey(fixture, 1, 0)));
            (session_grant(login, &session), NewSession { factor, ..new })
        })
        .collect();
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) = tries[number].clone();
            async move { stores.sessions.begin(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Creation::Stale), RACE - 1);
    assert_eq!(fixture.told().await, ["person.factor_enrolled"]);
    let held = [now(fixture, &people[0]).await.passkeys.len(), now(fixture, &people[1]).await.passkeys.len()];
    assert_eq!(held[0] + held[1], 1);
}

async fn nobody_has_more_than_may_be(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    for number in 0..=u8::try_from(MOST_PASSKEYS).unwrap() {
        let new = FactorUse::NewPasskey(new_passkey(fixture, number, 0));
        let done = begin_by(fixture, &login, new).await.0;
        assert_eq!(done == Creation::Stale, usize::from(number) == MOST_PASSKEYS, "{number}");
    }
    let kept = now(fixture, &login).await.passkeys;
    assert_eq!(kept.len(), MOST_PASSKEYS);
    assert!(kept.is_sorted_by_key(|passkey| passkey.id), "the oldest first");
}

async fn a_counter_only_rises(fixture: &Fixture) {
    let (login, _, id) = with_passkey(fixture, "alice@example.com", 1, 0).await;
    fixture.look_away().await;
    for (counter, good) in [
        (0, true),
        (0, true),
        (3, true),
        (3, false),
        (2, false),
        (0, false),
        (4, true),
        (u32::MAX, true),
        (u32::MAX, false),
        (0, false),
    ] {
        let begun = begin_by(fixture, &login, shown(id, counter)).await.0;
        assert_eq!(begun, if good { Creation::Done(None) } else { Creation::Stale }, "{counter}");
        let told = if good { "person.logged_in" } else { "person.passkey_suspected" };
        assert_eq!(fixture.told().await, [told], "{counter}");
    }
    assert_eq!(now(fixture, &login).await.passkeys[0].counter, u32::MAX);
    assert_eq!(fixture.announced().await, []);
}

async fn of_many_that_show_one_passkey_one_begins_a_session(fixture: &Fixture) {
    let (login, _, id) = with_passkey(fixture, "alice@example.com", 1, 4).await;
    fixture.look_away().await;
    assert_eq!(race(fixture, &login, &shown(id, 5)).await, 1);
    let told = fixture.told().await;
    assert_eq!(count(&told, &"person.logged_in".to_owned()), 1);
    assert_eq!(count(&told, &"person.passkey_suspected".to_owned()), RACE - 1);
    assert_eq!(now(fixture, &login).await.passkeys[0].counter, 5);
}

async fn a_passkey_is_its_persons(fixture: &Fixture) {
    let (alice, _, id) = with_passkey(fixture, "alice@example.com", 1, 1).await;
    let (bob, _, own) = with_passkey(fixture, "bob@example.com", 2, 1).await;
    fixture.look_away().await;
    assert_eq!(begin_by(fixture, &bob, shown(id, 2)).await.0, Creation::Stale);
    let unknown = PasskeyId::draw(fixture.at(), fixture.entropy());
    assert_eq!(begin_by(fixture, &bob, shown(unknown, 2)).await.0, Creation::Stale);
    fixture.assert_silent("what is no passkey of theirs").await;
    assert_eq!(begin_by(fixture, &alice, shown(id, 2)).await.0, Creation::Done(None));
    assert_eq!(begin_by(fixture, &bob, shown(own, 2)).await.0, Creation::Done(None));
}

async fn a_passkey_is_sealed_anew_where_it_is_shown(fixture: &Fixture) {
    let (login, _, id) = with_passkey(fixture, "alice@example.com", 1, 1).await;
    let (other, _, _) = with_passkey(fixture, "bob@example.com", 2, 1).await;
    let again = |counter, byte| FactorUse::Passkey { id, counter, resealed: Some(sealed(byte)) };
    assert_eq!(begin_by(fixture, &login, again(1, 8)).await.0, Creation::Stale, "it has not risen");
    assert_eq!(now(fixture, &login).await.passkeys[0].sealed, sealed(1));
    assert_eq!(begin_by(fixture, &login, again(2, 9)).await.0, Creation::Done(None));
    assert_eq!(now(fixture, &login).await.passkeys[0].sealed, sealed(9));
    assert_eq!(now(fixture, &other).await.passkeys[0].sealed, sealed(2));
}

async fn removing_a_passkey_ends_all_sessions(fixture: &Fixture) {
    let (login, first, id) = with_passkey(fixture, "alice@example.com", 1, 1).await;
    let (session, _) = begun(fixture, &login).await;
    let (under_way, _, new) = fixture.new_session(&login, None);
    fixture.look_away().await;
    let grant = granted::<RemovePasskey>(&login.person);
    let removed = fixture.stores.factors.remove_passkey(&grant, id, session.id, fixture.at()).await.unwrap();
    let Change::Done(seq) = removed else { panic!("{removed:?}") };
    assert_eq!(fixture.told().await, ["person.factor_removed"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert!(ended(fixture, &first).await && ended(fixture, &session).await);
    let after = now(fixture, &login).await;
    assert!(!after.has_factor() && after.person.version != login.person.version);
    let late = fixture.stores.sessions.begin(&session_grant(&login, &under_way), new).await.unwrap();
    assert_eq!(late, Creation::Stale);
    assert_eq!(begin_by(fixture, &login, shown(id, 2)).await.0, Creation::Stale);
    fixture.assert_silent("what is removed").await;
    let anew = FactorUse::NewPasskey(new_passkey(fixture, 1, 0));
    assert_eq!(begin_by(fixture, &login, anew).await.0, Creation::Done(None), "it may be registered anew");
}

async fn a_passkey_is_removed_by_a_session_of_its_person(fixture: &Fixture) {
    let (alice, session, id) = with_passkey(fixture, "alice@example.com", 1, 1).await;
    let (bob, kept, own) = with_passkey(fixture, "bob@example.com", 2, 1).await;
    let (none, _, _) = fixture.new_session(&alice, None);
    fixture.look_away().await;
    for (login, id, session) in
        [(&alice, id, &kept), (&alice, id, &none), (&bob, id, &kept), (&alice, own, &session)]
    {
        assert!(!remove(fixture, login, id, session).await);
    }
    fixture.assert_silent("what is not removed").await;
    assert!(remove(fixture, &alice, id, &session).await);
    assert!(!remove(fixture, &alice, id, &session).await, "it is removed already");
    assert!(now(fixture, &bob).await.has_factor() && !ended(fixture, &kept).await);
}

async fn with_the_last_factor_go_the_recovery_codes(fixture: &Fixture) {
    for (address, passkey_first) in [("alice@example.com", true), ("bob@example.com", false)] {
        let (login, _) = enrolled(fixture, address).await;
        let new = new_passkey(fixture, u8::from(passkey_first), 1);
        let id = new.id;
        let (_, session) = begin_by(fixture, &login, FactorUse::NewPasskey(new)).await;
        draw(fixture, &login, &session).await;
        let authenticator = async |session: &Session| {
            let grant = granted::<RemoveTotp>(&login.person);
            let removed = fixture.stores.factors.remove(&grant, session.id, fixture.at()).await.unwrap();
            assert!(matches!(removed, Change::Done(_)), "{removed:?}");
        };
        if passkey_first {
            assert!(remove(fixture, &login, id, &session).await);
        } else {
            authenticator(&session).await;
        }
        let between = now(fixture, &login).await;
        assert_eq!((between.has_factor(), between.recovery_codes), (true, 3), "one is left");
        let (session, _) = begun(fixture, &between).await;
        draw(fixture, &between, &session).await;
        if passkey_first {
            authenticator(&session).await;
        } else {
            assert!(remove(fixture, &login, id, &session).await);
        }
        let after = now(fixture, &login).await;
        assert_eq!((after.has_factor(), after.recovery_codes), (false, 0));
    }
}

async fn who_is_removed_leaves_no_passkey(fixture: &Fixture) {
    let (login, _, _) = with_passkey(fixture, "alice@example.com", 1, 1).await;
    let grant = granted::<RemovePerson>(&login.person);
    let (people, at) = (&fixture.stores.people, fixture.at());
    let removed = people.remove(&grant, login.person.version, given(Role::SuperAdmin), at).await.unwrap();
    assert!(matches!(removed, PersonChange::Done(_)), "{removed:?}");
    assert!(fixture.peer.factors.is_empty().await.unwrap());
    with_passkey(fixture, "bob@example.com", 1, 1).await;
}
