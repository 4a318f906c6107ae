//! Second factors of people, and the sessions that they begin.

use super::{
    cases,
    fixture::{Fixture, RACE, count, granted},
    fixture_people::{begun, session_grant},
};
use auth_core::{
    id::SessionId,
    model::{FactorUse, Login, NewSession, Session, SessionEnd},
    port::{About, Change, Creation, DrawRecoveryCodes, EndSession, EnrolTotp, Notice, RemoveTotp, Seq},
    seal::Sealed,
    secret::TokenDigest,
};

cases! {
    "factors":
    an_authenticator_is_a_factor_once_it_is_confirmed,
    it_is_confirmed_by_the_session_that_enrols_it,
    another_one_takes_the_place_of_one_that_was_not_confirmed,
    enrolling_ends_all_sessions_and_logins_that_are_under_way,
    a_step_is_shown_once_and_none_before_it,
    of_many_that_show_one_code_one_begins_a_session,
    of_many_that_show_one_recovery_code_one_begins_a_session,
    a_recovery_code_is_its_persons,
    a_secret_is_sealed_anew_where_a_code_of_it_is_shown,
    codes_are_not_drawn_by_a_session_that_has_ended,
    drawing_codes_ends_those_before,
    removing_the_authenticator_ends_all_sessions,
    a_session_comes_in_place_of_another,
    a_session_begins_once,
    what_fails_uses_nothing_up,
}

pub(super) fn sealed(byte: u8) -> Sealed {
    Sealed::from_bytes(vec![0, byte, 0xff])
}

/// The code of a step of the authenticator that a session enrols, whose sealed secret is this one.
fn confirmed(step: i64, session: SessionId, secret: u8) -> FactorUse {
    FactorUse::NewTotp { step, session, secret: sealed(secret) }
}

pub(super) async fn now(fixture: &Fixture, login: &Login) -> Login {
    fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap()
}

async fn enrol(fixture: &Fixture, login: &Login, secret: Sealed, session: SessionId) -> Change {
    let grant = granted::<EnrolTotp>(&login.person);
    fixture.stores.factors.enrol(&grant, secret, session, fixture.at()).await.unwrap()
}

/// Tries to begin a session by a factor, as the person is now.
pub(super) async fn begin_by(
    fixture: &Fixture,
    login: &Login,
    factor: FactorUse,
) -> (Creation<Option<Seq>>, Session) {
    let login = now(fixture, login).await;
    let (session, _, new) = fixture.new_session(&login, None);
    let new = NewSession { factor: Some(factor), ..new };
    (fixture.stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap(), session)
}

/// A person with an authenticator whose first step was shown, and the session that it began.
pub(super) async fn enrolled(fixture: &Fixture, address: &str) -> (Login, Session) {
    let login = fixture.person(address).await;
    let (first, _) = begun(fixture, &login).await;
    assert_eq!(enrol(fixture, &login, sealed(1), first.id).await, Change::Done(()));
    let confirm = confirmed(1, first.id, 1);
    let (begun, session) = begin_by(fixture, &login, confirm).await;
    assert!(matches!(begun, Creation::Done(Some(_))));
    (now(fixture, &login).await, session)
}

pub(super) async fn ended(fixture: &Fixture, session: &Session) -> bool {
    fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended
}

async fn an_authenticator_is_a_factor_once_it_is_confirmed(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (first, _) = begun(fixture, &login).await;
    assert_eq!(login.totp, None);
    fixture.look_away().await;
    assert_eq!(enrol(fixture, &login, sealed(1), first.id).await, Change::Done(()));
    assert_eq!(fixture.told().await, ["person.factor_enrolling"]);
    let enrolling = now(fixture, &login).await;
    let factor = enrolling.totp.unwrap();
    assert_eq!((factor.is_confirmed, factor.secret, factor.session), (false, sealed(1), first.id));
    assert_eq!(enrolling.person.version, login.person.version, "nothing has changed yet");
    let shown = begin_by(fixture, &login, FactorUse::Totp { step: 9, resealed: None }).await.0;
    assert_eq!(shown, Creation::Stale, "it is no factor yet");
    fixture.assert_silent("what is refused").await;
    let confirm = confirmed(7, first.id, 1);
    let (done, session) = begin_by(fixture, &login, confirm).await;
    let Creation::Done(Some(seq)) = done else { panic!("{done:?}") };
    assert_eq!(fixture.told().await, ["person.factor_enrolled"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert!(now(fixture, &login).await.totp.unwrap().is_confirmed);
    assert!(ended(fixture, &first).await && !ended(fixture, &session).await);
    assert_eq!(
        begin_by(fixture, &login, FactorUse::Totp { step: 7, resealed: None }).await.0,
        Creation::Stale,
        "shown then"
    );
    assert_eq!(
        begin_by(fixture, &login, FactorUse::Totp { step: 8, resealed: None }).await.0,
        Creation::Done(None)
    );
}

async fn it_is_confirmed_by_the_session_that_enrols_it(fixture: &Fixture) {
    let (alice, bob) = (fixture.person("alice@example.com").await, fixture.person("bob@example.com").await);
    let (own, _) = begun(fixture, &alice).await;
    let (other, _) = begun(fixture, &alice).await;
    let (strange, _) = begun(fixture, &bob).await;
    assert_eq!(enrol(fixture, &alice, sealed(1), own.id).await, Change::Done(()));
    fixture.look_away().await;
    for (login, session) in [(&alice, &other), (&alice, &strange), (&bob, &own), (&bob, &strange)] {
        let confirm = confirmed(1, session.id, 1);
        assert_eq!(begin_by(fixture, login, confirm).await.0, Creation::Stale);
    }
    fixture.assert_silent("what others confirm").await;
    assert!(!now(fixture, &alice).await.totp.unwrap().is_confirmed);
    assert!(!ended(fixture, &own).await && !ended(fixture, &other).await);
}

async fn another_one_takes_the_place_of_one_that_was_not_confirmed(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let ((first, _), (second, _)) = (begun(fixture, &login).await, begun(fixture, &login).await);
    assert_eq!(enrol(fixture, &login, sealed(1), first.id).await, Change::Done(()));
    assert_eq!(enrol(fixture, &login, sealed(2), second.id).await, Change::Done(()));
    let factor = now(fixture, &login).await.totp.unwrap();
    assert_eq!((factor.secret, factor.session), (sealed(2), second.id));
    let of_first = confirmed(1, first.id, 2);
    assert_eq!(begin_by(fixture, &login, of_first).await.0, Creation::Stale);
    let replaced = confirmed(1, second.id, 1);
    assert_eq!(begin_by(fixture, &login, replaced).await.0, Creation::Stale, "by the secret before it");
    let of_second = confirmed(1, second.id, 2);
    let (_, session) = begin_by(fixture, &login, of_second).await;
    fixture.look_away().await;
    assert_eq!(enrol(fixture, &login, sealed(3), session.id).await, Change::Taken, "there is one");
    assert_eq!(enrol(fixture, &login, sealed(3), first.id).await, Change::Stale, "that session has ended");
    fixture.assert_silent("no other one").await;
    assert_eq!(now(fixture, &login).await.totp.unwrap().secret, sealed(2));
}

async fn enrolling_ends_all_sessions_and_logins_that_are_under_way(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (other, _) = begun(fixture, &login).await;
    let (strange, _) = begun(fixture, &fixture.person("bob@example.com").await).await;
    let (under_way, _, new) = fixture.new_session(&login, None);
    let (first, _) = begun(fixture, &login).await;
    enrol(fixture, &login, sealed(1), first.id).await;
    begin_by(fixture, &login, confirmed(1, first.id, 1)).await;
    assert!(ended(fixture, &other).await && ended(fixture, &first).await && !ended(fixture, &strange).await);
    let late = fixture.stores.sessions.begin(&session_grant(&login, &under_way), new).await.unwrap();
    assert_eq!(late, Creation::Stale, "who showed a password alone before begins nothing by it");
}

async fn a_step_is_shown_once_and_none_before_it(fixture: &Fixture) {
    let (login, _) = enrolled(fixture, "alice@example.com").await;
    let (other, _) = enrolled(fixture, "bob@example.com").await;
    for (step, good) in [(1, false), (0, false), (3, true), (3, false), (2, false), (4, true), (-1, false)] {
        let begun = begin_by(fixture, &login, FactorUse::Totp { step, resealed: None }).await.0;
        assert_eq!(begun, if good { Creation::Done(None) } else { Creation::Stale }, "{step}");
    }
    assert_eq!(
        begin_by(fixture, &other, FactorUse::Totp { step: 2, resealed: None }).await.0,
        Creation::Done(None)
    );
}

/// Many try to begin a session by one factor: how many did.
pub(super) async fn race(fixture: &Fixture, login: &Login, factor: &FactorUse) -> usize {
    let tries: Vec<_> = (0..RACE).map(|_| fixture.new_session(login, None)).collect();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (session, _, new) = &tries[number];
            let new = NewSession { factor: Some(factor.clone()), ..new.clone() };
            let grant = session_grant(login, session);
            async move { stores.sessions.begin(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Creation::Stale), RACE - 1);
    count(&answers, &Creation::Done(None))
}

async fn of_many_that_show_one_code_one_begins_a_session(fixture: &Fixture) {
    let (login, _) = enrolled(fixture, "alice@example.com").await;
    fixture.look_away().await;
    assert_eq!(race(fixture, &login, &FactorUse::Totp { step: 5, resealed: None }).await, 1);
    assert_eq!(fixture.told().await, ["person.logged_in"]);
}

async fn of_many_that_show_one_recovery_code_one_begins_a_session(fixture: &Fixture) {
    let (login, session) = enrolled(fixture, "alice@example.com").await;
    let digest = draw(fixture, &login, &session).await[0];
    fixture.look_away().await;
    assert_eq!(race(fixture, &login, &FactorUse::RecoveryCode { digest }).await, 1);
    assert_eq!(fixture.told().await, ["person.logged_in"]);
    assert_eq!(now(fixture, &login).await.recovery_codes, 2);
}

pub(super) async fn draw(fixture: &Fixture, login: &Login, session: &Session) -> Vec<TokenDigest> {
    let digests: Vec<_> = (0..3).map(|_| fixture.digest()).collect();
    let grant = granted::<DrawRecoveryCodes>(&login.person);
    let (factors, at) = (&fixture.stores.factors, fixture.at());
    let drawn = factors.replace_recovery_codes(&grant, session.id, digests.clone(), at).await;
    assert_eq!(drawn.unwrap(), Change::Done(()));
    digests
}

async fn a_recovery_code_is_its_persons(fixture: &Fixture) {
    let (alice, session) = enrolled(fixture, "alice@example.com").await;
    let (bob, _) = enrolled(fixture, "bob@example.com").await;
    let digest = draw(fixture, &alice, &session).await[0];
    fixture.look_away().await;
    assert_eq!(begin_by(fixture, &bob, FactorUse::RecoveryCode { digest }).await.0, Creation::Stale);
    let unknown = FactorUse::RecoveryCode { digest: fixture.digest() };
    assert_eq!(begin_by(fixture, &alice, unknown).await.0, Creation::Stale);
    fixture.assert_silent("codes that are none").await;
    assert_eq!(begin_by(fixture, &alice, FactorUse::RecoveryCode { digest }).await.0, Creation::Done(None));
    assert_eq!((now(fixture, &alice).await.recovery_codes, now(fixture, &bob).await.recovery_codes), (2, 0));
}

async fn a_secret_is_sealed_anew_where_a_code_of_it_is_shown(fixture: &Fixture) {
    let (login, _) = enrolled(fixture, "alice@example.com").await;
    let (other, _) = enrolled(fixture, "bob@example.com").await;
    let again = |step, byte| FactorUse::Totp { step, resealed: Some(sealed(byte)) };
    assert_eq!(begin_by(fixture, &login, again(1, 8)).await.0, Creation::Stale, "shown before");
    assert_eq!(now(fixture, &login).await.totp.unwrap().secret, sealed(1));
    assert_eq!(begin_by(fixture, &login, again(2, 9)).await.0, Creation::Done(None));
    assert_eq!(now(fixture, &login).await.totp.unwrap().secret, sealed(9));
    assert_eq!(now(fixture, &other).await.totp.unwrap().secret, sealed(1));
}

async fn codes_are_not_drawn_by_a_session_that_has_ended(fixture: &Fixture) {
    let (login, session) = enrolled(fixture, "alice@example.com").await;
    let end = granted::<EndSession>(&session);
    fixture.stores.sessions.end(&end, SessionEnd::LoggedOut, fixture.at()).await.unwrap();
    fixture.look_away().await;
    let (grant, remove) = (granted::<DrawRecoveryCodes>(&login.person), granted::<RemoveTotp>(&login.person));
    let (factors, digests) = (&fixture.stores.factors, vec![fixture.digest()]);
    let drawn = factors.replace_recovery_codes(&grant, session.id, digests, fixture.at()).await;
    assert_eq!(drawn.unwrap(), Change::Stale);
    assert_eq!(factors.remove(&remove, session.id, fixture.at()).await.unwrap(), Change::Stale);
    fixture.assert_silent("after the end").await;
    assert!(now(fixture, &login).await.totp.is_some());
}

async fn drawing_codes_ends_those_before(fixture: &Fixture) {
    let (login, session) = enrolled(fixture, "alice@example.com").await;
    let before = draw(fixture, &login, &session).await;
    fixture.look_away().await;
    let after = draw(fixture, &login, &session).await;
    assert_eq!(fixture.told().await, ["person.recovery_codes_drawn"]);
    assert_eq!(fixture.announced().await, []);
    for digest in before {
        assert_eq!(begin_by(fixture, &login, FactorUse::RecoveryCode { digest }).await.0, Creation::Stale);
    }
    for digest in after {
        let begun = begin_by(fixture, &login, FactorUse::RecoveryCode { digest }).await.0;
        assert_eq!(begun, Creation::Done(None));
    }
    assert!(!ended(fixture, &session).await);
    let without = fixture.person("bob@example.com").await;
    let (own, _) = begun(fixture, &without).await;
    let grant = granted::<DrawRecoveryCodes>(&without.person);
    let drawn = fixture
        .stores
        .factors
        .replace_recovery_codes(&grant, own.id, vec![fixture.digest()], fixture.at())
        .await;
    assert_eq!(drawn.unwrap(), Change::Stale, "there is nothing to recover");
    assert_eq!(now(fixture, &without).await.recovery_codes, 0);
}

async fn removing_the_authenticator_ends_all_sessions(fixture: &Fixture) {
    let (login, session) = enrolled(fixture, "alice@example.com").await;
    let digest = draw(fixture, &login, &session).await[0];
    let (other, kept) = enrolled(fixture, "bob@example.com").await;
    let (under_way, _, new) = fixture.new_session(&login, None);
    fixture.look_away().await;
    let grant = granted::<RemoveTotp>(&login.person);
    for strange in [kept.id, under_way.id] {
        let removed = fixture.stores.factors.remove(&grant, strange, fixture.at()).await.unwrap();
        assert_eq!(removed, Change::Stale, "by a session that is none of theirs");
    }
    fixture.assert_silent("what is not removed").await;
    let removed = fixture.stores.factors.remove(&grant, session.id, fixture.at()).await.unwrap();
    let Change::Done(seq) = removed else { panic!("{removed:?}") };
    assert_eq!(fixture.told().await, ["person.factor_removed"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert!(ended(fixture, &session).await && !ended(fixture, &kept).await);
    let after = now(fixture, &login).await;
    assert_eq!((after.totp, after.recovery_codes), (None, 0));
    let late = fixture.stores.sessions.begin(&session_grant(&login, &under_way), new).await.unwrap();
    assert_eq!(late, Creation::Stale);
    for factor in [FactorUse::Totp { step: 9, resealed: None }, FactorUse::RecoveryCode { digest }] {
        assert_eq!(begin_by(fixture, &login, factor).await.0, Creation::Stale);
    }
    let again = fixture.stores.factors.remove(&grant, session.id, fixture.at()).await.unwrap();
    assert_eq!(again, Change::Stale);
    fixture.assert_silent("what is removed already").await;
    assert!(now(fixture, &other).await.totp.is_some());
}

async fn a_session_comes_in_place_of_another(fixture: &Fixture) {
    let (login, old) = enrolled(fixture, "alice@example.com").await;
    let (strange, of_bob) = enrolled(fixture, "bob@example.com").await;
    fixture.look_away().await;
    let replace = async |login: &Login, old: SessionId, step| {
        let (session, _, new) = fixture.new_session(login, None);
        let new =
            NewSession { factor: Some(FactorUse::Totp { step, resealed: None }), replaces: Some(old), ..new };
        (fixture.stores.sessions.begin(&session_grant(login, &session), new).await.unwrap(), session)
    };
    let (done, new) = replace(&login, old.id, 5).await;
    let Creation::Done(Some(seq)) = done else { panic!("{done:?}") };
    assert_eq!(fixture.told().await, ["person.logged_in"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::Session(old.id), ended: true }]);
    assert!(ended(fixture, &old).await && !ended(fixture, &new).await);
    assert_eq!(replace(&login, old.id, 6).await.0, Creation::Stale, "one that has ended is replaced by none");
    // Nobody ends another person's.
    assert_eq!(replace(&strange, new.id, 5).await.0, Creation::Stale);
    assert!(!ended(fixture, &new).await && !ended(fixture, &of_bob).await);
}

async fn a_session_begins_once(fixture: &Fixture) {
    let (login, _) = enrolled(fixture, "alice@example.com").await;
    let (session, _, new) = fixture.new_session(&login, None);
    let begin = async |step| {
        let new = NewSession { factor: Some(FactorUse::Totp { step, resealed: None }), ..new.clone() };
        fixture.stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap()
    };
    assert_eq!(begin(3).await, Creation::Done(None));
    assert_eq!(begin(4).await, Creation::Stale, "of the same identifier");
    assert_eq!(
        begin_by(fixture, &login, FactorUse::Totp { step: 4, resealed: None }).await.0,
        Creation::Done(None),
        "unused"
    );
}

async fn what_fails_uses_nothing_up(fixture: &Fixture) {
    let (login, session) = enrolled(fixture, "alice@example.com").await;
    let digest = draw(fixture, &login, &session).await[0];
    for factor in [FactorUse::Totp { step: 5, resealed: None }, FactorUse::RecoveryCode { digest }] {
        fixture.set("people", "status = 'suspended'").await;
        assert_eq!(begin_by(fixture, &login, factor.clone()).await.0, Creation::Stale);
        fixture.set("people", "status = 'active'").await;
        assert_eq!(begin_by(fixture, &login, factor).await.0, Creation::Done(None));
    }
}
