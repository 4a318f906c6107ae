//! What mailed tokens do.

use super::{
    cases,
    fixture::{Fixture, RACE, count, granted},
    fixture_people::{as_person, begun, session_grant},
};
use auth_core::{
    model::{Login, Person, Status},
    port::{About, Change, Creation, Notice, ResetPassword, Seq, VerifyAddress},
};

cases! {
    "mailed":
    a_reset_is_done_once_and_ends_every_session,
    a_reset_notes_the_address_where_it_was_not_known,
    who_is_suspended_gets_no_reset_and_no_verification,
    of_many_resets_one_is_done,
    an_address_is_verified_once,
    of_many_verifications_one_is_done,
    whatever_one_token_does_makes_the_others_void,
    who_proved_themself_before_a_reset_begins_nothing,
}

async fn person(fixture: &Fixture, login: &Login) -> Person {
    fixture.peer.people.read(as_person(login.person.id)).await.unwrap().unwrap()
}

async fn verify(fixture: &Fixture, login: &Login) -> Change {
    let grant = granted::<VerifyAddress>(&login.person);
    fixture.stores.mailed.verify(&grant, login.person.version, fixture.at()).await.unwrap()
}

async fn reset(fixture: &Fixture, login: &Login, number: u32) -> Change<Seq> {
    let (grant, new) = (granted::<ResetPassword>(&login.person), fixture.password_hash(number));
    fixture.stores.mailed.reset_password(&grant, login.person.version, new, fixture.at()).await.unwrap()
}

async fn a_reset_is_done_once_and_ends_every_session(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let other = fixture.person("bob@example.com").await;
    let own = [begun(fixture, &login).await.0.id, begun(fixture, &login).await.0.id];
    let strange = begun(fixture, &other).await.0.id;
    fixture.look_away().await;
    let Change::Done(seq) = reset(fixture, &login, 1).await else { panic!("not done") };
    assert_eq!(fixture.told().await, ["person.password_reset"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    let ended = async |id| fixture.peer.sessions.find(id).await.unwrap().unwrap().ended;
    assert_eq!((ended(own[0]).await, ended(own[1]).await, ended(strange).await), (true, true, false));
    let now = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    assert_eq!(now.password, fixture.password_hash(1));
    assert_eq!(now.person.version, login.person.version.next());
    assert_eq!(reset(fixture, &login, 2).await, Change::Stale, "they are not in that state any more");
    fixture.assert_silent("a second reset").await;
    let unchanged = fixture.peer.people.by_address(&other.person.address).await.unwrap().unwrap();
    assert_eq!(unchanged, other);
    // Where there is no session to end, the number is the last one.
    let Change::Done(again) = reset(fixture, &now, 3).await else { panic!("not done") };
    assert_eq!(
        (fixture.told().await, fixture.announced().await),
        (vec!["person.password_reset".to_owned()], vec![])
    );
    assert_eq!(again, seq);
}

async fn a_reset_notes_the_address_where_it_was_not_known(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let before = fixture.at();
    assert!(matches!(reset(fixture, &login, 1).await, Change::Done(_)));
    let first = person(fixture, &login).await;
    assert!(first.verified_at.is_some_and(|at| at > before));
    let again = Login { person: first.clone(), ..login };
    assert!(matches!(reset(fixture, &again, 2).await, Change::Done(_)));
    assert_eq!(person(fixture, &again).await.verified_at, first.verified_at, "it was known since then");
}

async fn who_is_suspended_gets_no_reset_and_no_verification(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    fixture.set("people", "status = 'suspended'").await;
    fixture.look_away().await;
    assert_eq!(reset(fixture, &login, 1).await, Change::Stale);
    assert_eq!(verify(fixture, &login).await, Change::Stale);
    fixture.assert_silent("a suspended person").await;
    let now = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    let suspended = Person { status: Status::Suspended, ..login.person.clone() };
    assert_eq!(now, Login { person: suspended, ..login });
}

async fn of_many_resets_one_is_done(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    begun(fixture, &login).await;
    fixture.look_away().await;
    let hashes: Vec<_> =
        (0..RACE).map(|number| fixture.password_hash(u32::try_from(number).unwrap())).collect();
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) = (granted::<ResetPassword>(&login.person), hashes[number].clone());
            let version = login.person.version;
            async move { stores.mailed.reset_password(&grant, version, new, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    assert_eq!(fixture.told().await, ["person.password_reset"]);
    assert_eq!(fixture.announced().await.len(), 1);
    let done = answers.iter().position(|answer| *answer != Change::Stale).unwrap();
    let now = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    assert_eq!((&now.password, now.person.version), (&hashes[done], login.person.version.next()));
}

async fn an_address_is_verified_once(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let other = fixture.person("bob@example.com").await;
    let session = begun(fixture, &login).await.0.id;
    fixture.look_away().await;
    let before = fixture.at();
    assert_eq!(verify(fixture, &login).await, Change::Done(()));
    assert_eq!(
        (fixture.told().await, fixture.announced().await),
        (vec!["person.address_verified".to_owned()], vec![])
    );
    let now = person(fixture, &login).await;
    assert!(now.verified_at.is_some_and(|at| at > before));
    assert_eq!(now.version, login.person.version.next());
    assert!(!fixture.peer.sessions.find(session).await.unwrap().unwrap().ended, "nothing ends by it");
    assert_eq!(verify(fixture, &login).await, Change::Stale);
    let known = Login { person: now.clone(), ..login };
    assert_eq!(verify(fixture, &known).await, Change::Stale, "it is known");
    fixture.assert_silent("what is known").await;
    assert_eq!(person(fixture, &known).await, now);
    assert_eq!(person(fixture, &other).await, other.person);
}

async fn of_many_verifications_one_is_done(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let (grant, version) = (granted::<VerifyAddress>(&login.person), login.person.version);
            async move { stores.mailed.verify(&grant, version, at).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Change::Done(())), count(&answers, &Change::Stale)), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["person.address_verified"]);
}

async fn whatever_one_token_does_makes_the_others_void(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    assert_eq!(verify(fixture, &login).await, Change::Done(()));
    assert_eq!(reset(fixture, &login, 1).await, Change::Stale);
    let login = fixture.person("bob@example.com").await;
    assert!(matches!(reset(fixture, &login, 1).await, Change::Done(_)));
    assert_eq!(verify(fixture, &login).await, Change::Stale);
    let late = Login { person: person(fixture, &login).await, ..login };
    assert_eq!(verify(fixture, &late).await, Change::Stale, "the address is known by the reset");
}

async fn who_proved_themself_before_a_reset_begins_nothing(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (session, _, new) = fixture.new_session(&login, None);
    assert!(matches!(reset(fixture, &login, 1).await, Change::Done(_)));
    let begun = fixture.stores.sessions.begin(&session_grant(&login, &session), new).await.unwrap();
    assert_eq!(begun, Creation::Stale);
}
