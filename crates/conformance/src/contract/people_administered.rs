//! People, as those who administer the platform change and remove them.

use super::{
    cases,
    fixture::{ALL, Fixture, May, RACE, chatbot, everything, granted, page, proof, scope_of},
    fixture_people::{begun, open},
    members::given,
};
use auth_core::{
    model::{Login, Person, PersonPatch, Session, Set, Status},
    policy::{Role, Scope, grant},
    port::{About, ChangePerson, Creation, Notice, PersonChange, Register, RemovePerson, Seq},
    principal::Principal,
};

cases! {
    "people":
    people_are_seen_by_the_platform_alone,
    a_person_is_changed_at_the_version_that_was_read,
    who_is_suspended_has_no_session_even_once_revived,
    who_begins_to_administer_the_platform_proves_themself_anew,
    there_always_is_a_super_admin,
    of_many_who_withdraw_super_admins_one_stays,
    a_person_is_removed_with_all_that_is_theirs,
    who_has_ceased_to_administer_changes_nobody,
}

const fn suspend() -> PersonPatch {
    PersonPatch { name: Set::Keep, status: Set::To(Status::Suspended), is_super_admin: Set::Keep }
}

const fn administering(is_super_admin: bool) -> PersonPatch {
    PersonPatch { name: Set::Keep, status: Set::Keep, is_super_admin: Set::To(is_super_admin) }
}

async fn change(fixture: &Fixture, person: &Person, patch: PersonPatch) -> PersonChange<(Person, Seq)> {
    let (grant, at) = (granted::<ChangePerson>(person), fixture.at());
    let people = &fixture.stores.people;
    people.change(&grant, person.version, patch, given(Role::SuperAdmin), at).await.unwrap()
}

async fn changed(fixture: &Fixture, person: &Person, patch: PersonPatch) -> Person {
    match change(fixture, person, patch).await {
        PersonChange::Done((person, _)) => person,
        other => panic!("not changed: {other:?}"),
    }
}

/// A super admin.
async fn admin(fixture: &Fixture, address: &str) -> Login {
    let login = fixture.person(address).await;
    changed(fixture, &login.person, administering(true)).await;
    fixture.stores.people.by_address(&login.person.address).await.unwrap().unwrap()
}

async fn has_ended(fixture: &Fixture, session: &Session) -> bool {
    fixture.peer.sessions.find(session.id).await.unwrap().is_none_or(|found| found.ended)
}

async fn people_are_seen_by_the_platform_alone(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.insert(0, fixture.person(&format!("p{number}@example.com")).await.person);
    }
    fixture.join(&domain, made[0].id, Role::Member).await;
    let people = &fixture.peer.people;
    for scope in [scope_of(chatbot(&domain)), Scope::of(None)] {
        assert_eq!(people.find(scope, made[0].id).await.unwrap(), None);
        assert_eq!(people.list(scope, ALL).await.unwrap(), []);
    }
    assert_eq!(people.find(everything(), made[0].id).await.unwrap().as_ref(), Some(&made[0]));
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = people.list(everything(), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part);
    }
    assert_eq!(paged, made);
}

async fn a_person_is_changed_at_the_version_that_was_read(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (session, _) = begun(fixture, &login).await;
    fixture.look_away().await;
    let patch = PersonPatch { name: Set::To(super::fixture::name("Alice B.")), ..PersonPatch::default() };
    let PersonChange::Done((now, seq)) = change(fixture, &login.person, patch.clone()).await else {
        panic!("not changed")
    };
    assert_eq!(now, patch.over(&login.person));
    assert_eq!(fixture.peer.people.find(everything(), now.id).await.unwrap().as_ref(), Some(&now));
    assert_eq!(fixture.told().await, ["person.changed"]);
    let notice = Notice { seq, about: About::Person(now.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert!(!has_ended(fixture, &session).await, "a name is no proof");
    assert_eq!(change(fixture, &login.person, patch).await, PersonChange::Stale);
    fixture.assert_silent("a stale change").await;
}

async fn who_is_suspended_has_no_session_even_once_revived(fixture: &Fixture) {
    let (login, other) = (fixture.person("alice@example.com").await, fixture.person("bob@example.com").await);
    let (session, _) = begun(fixture, &login).await;
    let (strange, _) = begun(fixture, &other).await;
    fixture.look_away().await;
    let suspended = changed(fixture, &login.person, suspend()).await;
    assert_eq!(fixture.told().await, ["person.changed"]);
    let ended = fixture.announced().await;
    assert!(ended.iter().any(|notice| notice.about == About::Person(login.person.id)), "{ended:?}");
    assert!(has_ended(fixture, &session).await);
    let patch = PersonPatch { status: Set::To(Status::Active), ..PersonPatch::default() };
    changed(fixture, &suspended, patch).await;
    assert!(has_ended(fixture, &session).await, "what was ended is ended");
    assert!(!has_ended(fixture, &strange).await);
}

async fn who_begins_to_administer_the_platform_proves_themself_anew(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let login = fixture.person("alice@example.com").await;
    fixture.join(&domain, login.person.id, Role::Member).await;
    let login = fixture.stores.people.by_address(&login.person.address).await.unwrap().unwrap();
    let (of_none, _) = begun(fixture, &login).await;
    let (of_domain, _) = fixture.begin(&login, login.memberships.first()).await;
    changed(fixture, &login.person, administering(true)).await;
    assert!(has_ended(fixture, &of_none).await);
    assert!(!has_ended(fixture, &of_domain).await, "there they are what they were");
    let stale = fixture.new_session(&login, None);
    let grant = super::fixture_people::session_grant(&login, &stale.0);
    let begun = fixture.stores.sessions.begin(&grant, stale.2).await.unwrap();
    assert_eq!(begun, Creation::Stale, "who proved themself before has another role now");
}

async fn there_always_is_a_super_admin(fixture: &Fixture) {
    let (first, second) =
        (admin(fixture, "alice@example.com").await, admin(fixture, "bob@example.com").await);
    let suspended = changed(fixture, &second.person, suspend()).await;
    fixture.look_away().await;
    for patch in [suspend(), administering(false)] {
        let last = change(fixture, &first.person, patch).await;
        assert_eq!(last, PersonChange::LastSuperAdmin, "whoever is suspended administers nothing");
    }
    let (grant, at) = (granted::<RemovePerson>(&first.person), fixture.at());
    let people = &fixture.stores.people;
    let removed = people.remove(&grant, first.person.version, given(Role::SuperAdmin), at).await.unwrap();
    assert_eq!(removed, PersonChange::LastSuperAdmin);
    fixture.assert_silent("the last one stays").await;
    // One of no consequence can go.
    changed(fixture, &suspended, administering(false)).await;
    let name = PersonPatch { name: Set::To(super::fixture::name("Still there")), ..PersonPatch::default() };
    changed(fixture, &first.person, name).await;
}

async fn of_many_who_withdraw_super_admins_one_stays(fixture: &Fixture) {
    let mut admins = Vec::new();
    for number in 0..20 {
        admins.push(admin(fixture, &format!("admin{number}@example.com")).await.person);
    }
    let at = fixture.at();
    fixture
        .race(RACE, |number, stores| {
            let person = admins[number % admins.len()].clone();
            async move {
                let (people, highest) = (&stores.people, given(Role::SuperAdmin));
                let change = granted::<ChangePerson>(&person);
                match number % 3 {
                    0 => _ = people.change(&change, person.version, suspend(), highest, at).await.unwrap(),
                    1 => {
                        let patch = administering(false);
                        _ = people.change(&change, person.version, patch, highest, at).await.unwrap();
                    }
                    _ => {
                        let remove = granted::<RemovePerson>(&person);
                        _ = people.remove(&remove, person.version, highest, at).await.unwrap();
                    }
                }
            }
        })
        .await;
    let left = fixture.peer.people.list(everything(), ALL).await.unwrap();
    let administer = |person: &&Person| person.is_super_admin && person.status == Status::Active;
    assert_eq!(left.iter().filter(administer).count(), 1);
}

async fn a_person_is_removed_with_all_that_is_theirs(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let login = fixture.person("alice@example.com").await;
    let other = fixture.person("bob@example.com").await;
    fixture.join(&domain, login.person.id, Role::Member).await;
    let (session, _) = begun(fixture, &login).await;
    let (strange, _) = begun(fixture, &other).await;
    fixture.look_away().await;
    let grant = granted::<RemovePerson>(&login.person);
    let remove = async || {
        let (people, at) = (&fixture.stores.people, fixture.at());
        people.remove(&grant, login.person.version, given(Role::Member), at).await.unwrap()
    };
    let PersonChange::Done(seq) = remove().await else { panic!("not removed") };
    assert_eq!(fixture.told().await, ["person.removed"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    assert_eq!(fixture.peer.people.by_address(&login.person.address).await.unwrap(), None);
    assert_eq!(fixture.peer.sessions.find(session.id).await.unwrap(), None);
    let members = &fixture.peer.members;
    assert_eq!(members.list(everything(), domain.id, ALL).await.unwrap(), []);
    assert!(!has_ended(fixture, &strange).await);
    assert_eq!(remove().await, PersonChange::Stale, "they are gone");
    fixture.assert_silent("nothing was changed").await;
    let again = fixture.new_person("alice@example.com");
    let made = fixture.stores.people.register(&open::<Register>(), again).await.unwrap();
    assert_eq!(made, Creation::Done(()), "the address is nobody's");
}

async fn who_has_ceased_to_administer_changes_nobody(fixture: &Fixture) {
    let (first, second) =
        (admin(fixture, "alice@example.com").await, admin(fixture, "bob@example.com").await);
    let (session, _, new) = fixture.new_session(&first, None);
    let session = Session { role: Some(Role::SuperAdmin), ..session };
    let new = auth_core::model::NewSession { role: Some(Role::SuperAdmin), ..new };
    let grant_begin = super::fixture_people::session_grant(&first, &session);
    assert_eq!(fixture.stores.sessions.begin(&grant_begin, new).await.unwrap(), Creation::Done(None));
    changed(fixture, &first.person, administering(false)).await;
    fixture.look_away().await;
    let by = proof(Principal::Person(session.principal()));
    let people = &fixture.stores.people;
    let (at, version, highest) = (fixture.at(), second.person.version, given(Role::SuperAdmin));
    let change = grant::<ChangePerson, May>(&by, &second.person).ok().unwrap();
    let change = people.change(&change, version, administering(false), highest, at).await.unwrap();
    let remove = grant::<RemovePerson, May>(&by, &second.person).ok().unwrap();
    let remove = people.remove(&remove, version, highest, at).await.unwrap();
    assert_eq!((change, remove), (PersonChange::Stale, PersonChange::Stale));
    fixture.assert_silent("nobody was changed").await;
}
