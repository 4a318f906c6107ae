//! Sessions of people, and their refresh tokens.

use super::{
    cases,
    fixture::{ALL, Fixture, RACE, granted, page},
    fixture_people::{as_person, begun, keyring, refresh_of, session_grant},
};
use auth_core::{
    credential::Refresh,
    id::SessionId,
    model::{Login, NewSession, REPLAY, SESSION_IDLE, SESSION_LIFE, Session, SessionEnd, Status},
    policy::Role,
    port::{About, Change, ChangePassword, Creation, EndSession, EndSessions, Ends, Notice, Rotation},
    seal::Sealed,
    secret::{PlainToken, TokenDigest},
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "sessions":
    one_opening_reads_what_another_began,
    a_session_is_begun_in_the_role_that_is_the_persons,
    own_sessions_are_listed_newest_first,
    a_refresh_token_is_replaced_by_its_successor,
    one_that_was_used_gets_the_same_successor_for_ten_seconds,
    one_whose_successor_was_used_ends_the_session,
    any_older_one_ends_the_session,
    of_many_who_present_one_token_one_replaces_it,
    of_many_who_present_an_old_one_one_ends_the_session,
    idle_and_absolute_ends_are_kept_to_the_millisecond,
    a_session_may_end_sooner_and_be_proved_earlier,
    what_is_suspended_is_not_carried_on,
    a_role_that_is_lost_is_not_carried_on,
    who_proved_themself_by_an_old_password_begins_nothing,
    an_ended_session_stays_ended,
    all_sessions_of_a_person_end_together,
    what_ended_is_forgotten_and_nothing_else,
}

const SECOND: Duration = Duration::from_secs(1);

/// Presents a token, with a successor that was just drawn.
async fn rotate(fixture: &Fixture, text: &str, at: Timestamp) -> (Rotation, PlainToken) {
    let presented = Refresh::read(text, &keyring()).unwrap();
    let next = refresh_of(fixture, presented.session());
    let (sealed, digest) = (sealed(fixture, &next, presented.session()), TokenDigest::of(next.expose()));
    let rotated = fixture.stores.sessions.rotate(&presented, &digest, sealed, &fixture.origin(), at).await;
    (rotated.unwrap(), next)
}

fn sealed(fixture: &Fixture, next: &PlainToken, id: SessionId) -> Sealed {
    keyring().seal(&Session::cell(&id), next.expose().as_bytes(), fixture.entropy())
}

fn opened(sealed: &Sealed, session: &Session) -> String {
    String::from_utf8(keyring().open(&Session::cell(&session.id), sealed).unwrap().to_vec()).unwrap()
}

/// Begins a session of no domain in a role.
async fn begun_as(fixture: &Fixture, login: &Login, role: Option<Role>) -> (Session, PlainToken) {
    let (session, token, new) = fixture.new_session(login, None);
    let (session, new) = (Session { role, ..session }, NewSession { role, ..new });
    let begun = fixture.stores.sessions.begin(&session_grant(login, &session), new).await.unwrap();
    assert_eq!(begun, Creation::Done(None));
    (session, token)
}

async fn one_opening_reads_what_another_began(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    fixture.join(&domain, login.person.id, Role::IsAdmin).await;
    let login = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    fixture.look_away().await;
    for place in [None, Some(&login.memberships[0])] {
        let (session, _) = fixture.begin(&login, place).await;
        assert_eq!(fixture.told().await, ["person.logged_in"]);
        assert_eq!(fixture.announced().await, []);
        let own = as_person(login.person.id);
        let read = fixture.peer.sessions.read(own, session.id, fixture.at()).await.unwrap();
        assert_eq!(read.as_ref(), Some(&session));
        let found = fixture.peer.sessions.find(session.id).await.unwrap().unwrap();
        assert_eq!(
            (found.principal, found.principal.audience, found.ended),
            (session.principal(), session.audience, false)
        );
    }
    let unknown = SessionId::from_bytes([9; 16]);
    assert_eq!(fixture.peer.sessions.find(unknown).await.unwrap(), None);
}

async fn a_session_is_begun_in_the_role_that_is_the_persons(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    fixture.join(&domain, login.person.id, Role::Member).await;
    let login = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    let member = &login.memberships[0];
    fixture.look_away().await;
    let begin = async |place, role| {
        let (session, _, new) = fixture.new_session(&login, place);
        let new = NewSession { role, ..new };
        fixture.stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap()
    };
    for role in Role::ALL {
        let wanted = if role == Role::Member { Creation::Done(None) } else { Creation::Stale };
        assert_eq!(begin(Some(member), Some(role)).await, wanted, "{role:?} in the domain");
        assert_eq!(begin(None, Some(role)).await, Creation::Stale, "{role:?} on the platform");
    }
    assert_eq!(begin(Some(member), None).await, Creation::Stale);
    assert_eq!(begin(None, None).await, Creation::Done(None));
    assert_eq!(fixture.told().await, ["person.logged_in"; 2]);
    fixture.suspend_domain(&domain, Status::Suspended).await;
    assert_eq!(begin(Some(member), Some(Role::Member)).await, Creation::Stale, "its domain is suspended");
    fixture.suspend_domain(&domain, Status::Active).await;
    fixture.suspend_account(&account, Status::Suspended).await;
    assert_eq!(begin(Some(member), Some(Role::Member)).await, Creation::Stale, "its account is suspended");
}

async fn own_sessions_are_listed_newest_first(fixture: &Fixture) {
    let (alice, bob) = (fixture.person("alice@example.com").await, fixture.person("bob@example.com").await);
    let mut mine = Vec::new();
    for _ in 0..5 {
        mine.insert(0, begun(fixture, &alice).await.0);
        begun(fixture, &bob).await;
    }
    let (own, sessions) = (as_person(alice.person.id), &fixture.peer.sessions);
    assert_eq!(sessions.list(own, fixture.at(), ALL).await.unwrap(), mine);
    let first = sessions.list(own, fixture.at(), page(2, None)).await.unwrap();
    let rest = page(9, Some(*first[1].id.as_bytes()));
    assert_eq!(
        (&first[..], &sessions.list(own, fixture.at(), rest).await.unwrap()[..]),
        (&mine[..2], &mine[2..])
    );
    let others = as_person(bob.person.id);
    assert_eq!(sessions.read(others, mine[0].id, fixture.at()).await.unwrap(), None, "it is not bob's");
    let end = granted::<EndSession>(&mine[0]);
    fixture.stores.sessions.end(&end, SessionEnd::LoggedOut, fixture.at()).await.unwrap();
    assert_eq!(sessions.list(own, fixture.at(), ALL).await.unwrap(), mine[1..]);
    assert_eq!(sessions.read(own, mine[0].id, fixture.at()).await.unwrap(), None, "it has ended");
    let later = fixture.pass(SESSION_IDLE);
    assert_eq!(sessions.list(own, later, ALL).await.unwrap(), []);
}

async fn a_refresh_token_is_replaced_by_its_successor(fixture: &Fixture) {
    let (session, mut token) = begun(fixture, &fixture.person("alice@example.com").await).await;
    fixture.look_away().await;
    for _ in 0..5 {
        let at = fixture.pass(Duration::from_secs(3600));
        let (rotated, next) = rotate(fixture, token.expose(), at).await;
        let Rotation::Done(carried) = rotated else { panic!("{rotated:?}") };
        let ends = (at + SESSION_IDLE).min(session.created_at + SESSION_LIFE);
        assert_eq!(carried, Session { refreshed_at: Some(at), expires_at: ends, ..session.clone() });
        let own = as_person(session.person);
        assert_eq!(fixture.peer.sessions.read(own, session.id, at).await.unwrap(), Some(carried));
        token = next;
    }
    fixture.assert_silent("a session that is carried on").await;
}

async fn one_that_was_used_gets_the_same_successor_for_ten_seconds(fixture: &Fixture) {
    let (session, first) = begun(fixture, &fixture.person("alice@example.com").await).await;
    let at = fixture.at();
    let (_, second) = rotate(fixture, first.expose(), at).await;
    fixture.look_away().await;
    let last = Timestamp::from_millis((at + REPLAY).millis() - 1);
    for then in [at, at + SECOND, last] {
        let (replayed, _) = rotate(fixture, first.expose(), then).await;
        let Rotation::Replayed(of, sealed) = replayed else { panic!("{replayed:?}") };
        assert_eq!((of.id, opened(&sealed, &of)), (session.id, second.expose().to_owned()));
    }
    fixture.assert_silent("an answer that was lost").await;
    let (burnt, _) = rotate(fixture, first.expose(), at + REPLAY).await;
    assert!(matches!(burnt, Rotation::Burnt(_)), "{burnt:?}");
    assert_eq!(rotate(fixture, second.expose(), at + REPLAY).await.0, Rotation::Ended, "the honest one, too");
}

async fn one_whose_successor_was_used_ends_the_session(fixture: &Fixture) {
    let (session, first) = begun(fixture, &fixture.person("alice@example.com").await).await;
    let at = fixture.at();
    let (_, second) = rotate(fixture, first.expose(), at).await;
    let (_, third) = rotate(fixture, second.expose(), at).await;
    fixture.look_away().await;
    let (burnt, _) = rotate(fixture, first.expose(), at).await;
    let Rotation::Burnt(seq) = burnt else { panic!("{burnt:?}") };
    assert_eq!(fixture.told().await, ["person.session_ended"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::Session(session.id), ended: true }]);
    assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
    for token in [&first, &second, &third] {
        assert_eq!(rotate(fixture, token.expose(), at).await.0, Rotation::Ended);
    }
    fixture.assert_silent("what has ended").await;
}

async fn any_older_one_ends_the_session(fixture: &Fixture) {
    for back in 1..4 {
        let login = fixture.person(&format!("alice{back}@example.com")).await;
        let (session, first) = begun(fixture, &login).await;
        let mut tokens = vec![first];
        for _ in 0..4 {
            let at = fixture.pass(Duration::from_secs(60));
            let (_, next) = rotate(fixture, tokens.last().unwrap().expose(), at).await;
            tokens.push(next);
        }
        fixture.pass(REPLAY);
        let old = &tokens[tokens.len() - 1 - back];
        let (burnt, _) = rotate(fixture, old.expose(), fixture.at()).await;
        assert!(matches!(burnt, Rotation::Burnt(_)), "{back} back: {burnt:?}");
        assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
    }
}

async fn of_many_who_present_one_token_one_replaces_it(fixture: &Fixture) {
    let (session, first) = begun(fixture, &fixture.person("alice@example.com").await).await;
    fixture.look_away().await;
    let (at, origin) = (fixture.at(), fixture.origin());
    let presented = Refresh::read(first.expose(), &keyring()).unwrap();
    let nexts: Vec<_> = (0..RACE).map(|_| refresh_of(fixture, session.id)).collect();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (presented, origin) = (presented.clone(), origin.clone());
            let next = TokenDigest::of(nexts[number].expose());
            let sealed = sealed(fixture, &nexts[number], session.id);
            async move { stores.sessions.rotate(&presented, &next, sealed, &origin, at).await.unwrap() }
        })
        .await;
    let done: Vec<_> =
        answers.iter().enumerate().filter(|(_, answer)| matches!(answer, Rotation::Done(_))).collect();
    let [(winner, _)] = done.as_slice() else { panic!("{} replaced it", done.len()) };
    for (number, answer) in answers.iter().enumerate().filter(|(number, _)| number != winner) {
        let Rotation::Replayed(of, sealed) = answer else { panic!("{number}: {answer:?}") };
        assert_eq!(opened(sealed, of), nexts[*winner].expose(), "the same successor");
    }
    fixture.assert_silent("a race of one client").await;
    assert!(matches!(rotate(fixture, nexts[*winner].expose(), fixture.at()).await.0, Rotation::Done(_)));
}

async fn of_many_who_present_an_old_one_one_ends_the_session(fixture: &Fixture) {
    let (session, first) = begun(fixture, &fixture.person("alice@example.com").await).await;
    rotate(fixture, first.expose(), fixture.at()).await;
    fixture.look_away().await;
    let (at, origin) = (fixture.pass(REPLAY), fixture.origin());
    let presented = Refresh::read(first.expose(), &keyring()).unwrap();
    let answers = fixture
        .race(RACE, |_, stores| {
            let (presented, origin, next) = (presented.clone(), origin.clone(), fixture.digest());
            let sealed = Sealed::from_bytes(vec![1]);
            async move { stores.sessions.rotate(&presented, &next, sealed, &origin, at).await.unwrap() }
        })
        .await;
    let burnt = answers.iter().filter(|answer| matches!(answer, Rotation::Burnt(_))).count();
    let ended = answers.iter().filter(|answer| **answer == Rotation::Ended).count();
    assert_eq!((burnt, ended), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["person.session_ended"]);
    assert_eq!(fixture.announced().await.len(), 1);
    assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
}

async fn idle_and_absolute_ends_are_kept_to_the_millisecond(fixture: &Fixture) {
    let millisecond = Duration::from_millis(1);
    for (early, alive) in [(true, true), (false, false)] {
        let login = fixture.person(&format!("alice-{early}@example.com")).await;
        let (session, token) = begun(fixture, &login).await;
        let end = session.created_at + SESSION_IDLE;
        let at = if early { Timestamp::from_millis(end.millis() - 1) } else { end };
        let (rotated, _) = rotate(fixture, token.expose(), at).await;
        assert_eq!(matches!(rotated, Rotation::Done(_)), alive, "{rotated:?}");
    }
    let login = fixture.person("bob@example.com").await;
    let (session, mut token) = begun(fixture, &login).await;
    let end = session.created_at + SESSION_LIFE;
    let mut at = session.created_at;
    for _ in 0..4 {
        at = (at + SESSION_IDLE).min(end);
        at = Timestamp::from_millis(at.millis() - 1);
        let (rotated, next) = rotate(fixture, token.expose(), at).await;
        let Rotation::Done(carried) = rotated else { panic!("{rotated:?}") };
        assert!(carried.expires_at <= end);
        token = next;
    }
    assert_eq!(at + millisecond, end);
    assert_eq!(rotate(fixture, token.expose(), end).await.0, Rotation::Ended, "90 days are over");
}

async fn a_session_may_end_sooner_and_be_proved_earlier(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (session, token, new) = fixture.new_session(&login, None);
    let auth_time = Timestamp::from_millis(new.at.millis() - 90_000);
    let ends_at = new.at + SECOND * 60;
    let session = Session { auth_time, created_at: auth_time, expires_at: ends_at, ..session };
    let new = NewSession { auth_time, ends_at, ..new };
    let begun = fixture.stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap();
    assert_eq!(begun, Creation::Done(None));
    let found = fixture.peer.sessions.find(session.id).await.unwrap().unwrap();
    assert_eq!(found.principal, session.principal());
    let (rotated, token) = rotate(fixture, token.expose(), fixture.at()).await;
    let Rotation::Done(carried) = rotated else { panic!("{rotated:?}") };
    assert_eq!(carried.expires_at, ends_at, "it is carried on, and not beyond its end");
    assert_eq!(rotate(fixture, token.expose(), ends_at).await.0, Rotation::Ended);
}

async fn what_is_suspended_is_not_carried_on(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    fixture.join(&domain, login.person.id, Role::Member).await;
    let login = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    let (session, first) = fixture.begin(&login, Some(&login.memberships[0])).await;
    let (_, token) = rotate(fixture, first.expose(), fixture.at()).await;
    let ended = async || fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended;
    // The token before it is still the one of a lost answer.
    let refused = async || {
        let of = async |text: &PlainToken| rotate(fixture, text.expose(), fixture.at()).await.0;
        (of(&token).await, of(&first).await) == (Rotation::Ended, Rotation::Ended)
    };
    fixture.suspend_domain(&domain, Status::Suspended).await;
    assert!(ended().await && refused().await, "its domain");
    fixture.suspend_domain(&domain, Status::Active).await;
    fixture.suspend_account(&account, Status::Suspended).await;
    assert!(ended().await && refused().await, "its account");
    fixture.suspend_account(&account, Status::Active).await;
    fixture.set("people", "status = 'suspended'").await;
    assert!(ended().await && refused().await, "its person");
    fixture.set("people", "status = 'active'").await;
    fixture.set("members", "role = 'is_admin'").await;
    assert!(ended().await && refused().await, "another role");
    fixture.set("members", "role = 'member'").await;
    assert!(!ended().await);
    assert!(matches!(rotate(fixture, first.expose(), fixture.at()).await.0, Rotation::Replayed(..)));
    assert!(matches!(rotate(fixture, token.expose(), fixture.at()).await.0, Rotation::Done(_)));
}

async fn a_role_that_is_lost_is_not_carried_on(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    fixture.join(&domain, login.person.id, Role::Member).await;
    fixture.set("people", "super_admin = 1").await;
    let login = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    let (member, in_domain) = fixture.begin(&login, Some(&login.memberships[0])).await;
    let (platform, on_platform) = begun_as(fixture, &login, Some(Role::SuperAdmin)).await;
    let carry = async |text: &PlainToken| rotate(fixture, text.expose(), fixture.at()).await;
    let ((first, on_platform), (second, in_domain)) = (carry(&on_platform).await, carry(&in_domain).await);
    assert!(matches!((first, second), (Rotation::Done(_), Rotation::Done(_))));
    let ended =
        async |session: &Session| fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended;
    fixture.set("people", "super_admin = 0").await;
    assert!(ended(&platform).await && carry(&on_platform).await.0 == Rotation::Ended, "no super admin");
    assert!(!ended(&member).await, "a member is one in any case");
    let (plain, of_nothing) = begun(fixture, &login).await;
    fixture.set("people", "super_admin = 1").await;
    assert!(ended(&plain).await && carry(&of_nothing).await.0 == Rotation::Ended, "more than it began as");
    fixture.set("members", "role = 'domain_owner'").await;
    assert!(ended(&member).await && carry(&in_domain).await.0 == Rotation::Ended);
    fixture.place.as_ref().unwrap().execute("DELETE FROM members").await;
    assert!(ended(&member).await && carry(&in_domain).await.0 == Rotation::Ended, "they left");
}

async fn who_proved_themself_by_an_old_password_begins_nothing(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (kept, _) = begun(fixture, &login).await;
    let (session, _, new) = fixture.new_session(&login, None);
    let change = granted::<ChangePassword>(&login.person);
    let hash = fixture.password_hash(1);
    let changed = fixture.stores.people.change_password(
        &change,
        &login.password,
        hash,
        (kept.id, Ends::Others),
        fixture.at(),
    );
    assert!(matches!(changed.await.unwrap(), Change::Done(_)));
    fixture.look_away().await;
    let begun = fixture.peer.sessions.begin(&session_grant(&login, &session), new).await.unwrap();
    assert_eq!(begun, Creation::Stale);
    assert_eq!(fixture.peer.sessions.find(session.id).await.unwrap(), None);
    fixture.assert_silent("a login that came too late").await;
}

async fn an_ended_session_stays_ended(fixture: &Fixture) {
    let (session, token) = begun(fixture, &fixture.person("alice@example.com").await).await;
    fixture.look_away().await;
    let end = granted::<EndSession>(&session);
    let seq = fixture.stores.sessions.end(&end, SessionEnd::LoggedOut, fixture.at()).await.unwrap();
    assert_eq!(fixture.told().await, ["person.session_ended"]);
    let notice = Notice { seq: seq.unwrap(), about: About::Session(session.id), ended: true };
    assert_eq!(fixture.announced().await, [notice]);
    for why in [SessionEnd::LoggedOut, SessionEnd::Withdrawn] {
        assert_eq!(fixture.peer.sessions.end(&end, why, fixture.at()).await.unwrap(), None);
    }
    assert_eq!(rotate(fixture, token.expose(), fixture.at()).await.0, Rotation::Ended);
    fixture.assert_silent("what has ended").await;
    assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
}

async fn all_sessions_of_a_person_end_together(fixture: &Fixture) {
    let (alice, bob) = (fixture.person("alice@example.com").await, fixture.person("bob@example.com").await);
    let mine = [begun(fixture, &alice).await, begun(fixture, &alice).await];
    let (other, _) = begun(fixture, &bob).await;
    fixture.look_away().await;
    let grant = granted::<EndSessions>(&alice.person);
    let (late, _, pending) = fixture.new_session(&alice, None);
    let at = fixture.at();
    let seq = fixture.stores.sessions.end_all(&grant, SessionEnd::LoggedOut, at).await.unwrap();
    assert_eq!(fixture.told().await, ["person.sessions_ended"]);
    let notice = Notice { seq, about: About::Person(alice.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    for (session, token) in &mine {
        assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
        assert_eq!(rotate(fixture, token.expose(), fixture.at()).await.0, Rotation::Ended);
    }
    assert!(!fixture.peer.sessions.find(other.id).await.unwrap().unwrap().ended);
    let begun = fixture.stores.sessions.begin(&session_grant(&alice, &late), pending).await.unwrap();
    assert_eq!(begun, Creation::Stale, "a login that was under way begins none");
    let again = fixture.stores.sessions.end_all(&grant, SessionEnd::LoggedOut, fixture.at()).await.unwrap();
    assert!(again >= seq, "what is under way elsewhere can be waited for");
    assert_eq!(fixture.told().await, ["person.sessions_ended"], "logins that were under way have ended, too");
    assert_eq!(fixture.announced().await, [], "nobody remembers a session");
}

async fn what_ended_is_forgotten_and_nothing_else(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (first, _) = begun(fixture, &login).await;
    fixture.pass(SECOND);
    let (second, _) = begun(fixture, &login).await;
    fixture.look_away().await;
    let there = async |session: &Session| fixture.peer.sessions.find(session.id).await.unwrap().is_some();
    let end = first.created_at + SESSION_IDLE;
    fixture.stores.sessions.purge(end).await.unwrap();
    assert!(there(&first).await && there(&second).await);
    fixture.stores.sessions.purge(end + SECOND / 2).await.unwrap();
    assert!(!there(&first).await && there(&second).await);
    let end = granted::<EndSession>(&second);
    let at = fixture.at();
    fixture.stores.sessions.end(&end, SessionEnd::LoggedOut, at).await.unwrap();
    fixture.look_away().await;
    fixture.stores.sessions.purge(at).await.unwrap();
    assert!(there(&second).await);
    fixture.stores.sessions.purge(at + SECOND).await.unwrap();
    assert!(!there(&second).await, "what was ended is not kept until its time would have been over");
    fixture.assert_silent("forgetting").await;
}
