//! People and their passwords.

use super::{
    cases,
    fixture::{Fixture, RACE, count, granted},
    fixture_people::{as_person, begun, open},
};
use auth_core::{
    model::{Address, NewPerson, SessionEnd, Status},
    policy::{Installation, Role},
    port::{
        About, Change, ChangePassword, CreateSuperAdmin, Creation, EndSession, Ends, ImportPeople, Notice,
        Register,
    },
    seal::Sealed,
};

cases! {
    "people":
    one_opening_reads_what_another_made,
    an_address_is_one_person,
    of_many_who_register_one_address_one_does,
    a_login_is_told_the_domains_in_use,
    a_password_is_changed_once_and_ends_the_other_sessions,
    a_password_may_end_the_session_that_sets_it,
    a_hash_is_renewed_where_it_is_the_same,
    of_many_first_super_admins_one_is_made,
    an_import_takes_over_whom_nobody_knows,
    of_many_imports_of_one_address_one_takes_it_over,
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    fixture.look_away().await;
    let new = fixture.new_person("alice@example.com");
    let grant = open::<Register>();
    assert_eq!(fixture.stores.people.register(&grant, new.clone()).await.unwrap(), Creation::Done(()));
    assert_eq!(fixture.told().await, ["person.registered"]);
    assert_eq!(fixture.announced().await, []);
    let login = fixture.peer.people.by_address(&new.address).await.unwrap().unwrap();
    let person = &login.person;
    assert_eq!((person.id, &person.address, &person.name), (new.id, &new.address, &new.name));
    assert_eq!((person.status, person.is_super_admin, person.verified_at), (Status::Active, false, None));
    assert_eq!((&login.password, login.memberships.len()), (&new.password, 0));
    let own = as_person(person.id);
    assert_eq!(fixture.peer.people.read(own).await.unwrap().as_ref(), Some(person));
    assert_eq!(fixture.peer.people.login_of(own).await.unwrap().as_ref(), Some(&login));
    let nobody = Address::parse("bob@example.com").unwrap();
    assert_eq!(fixture.peer.people.by_address(&nobody).await.unwrap(), None);
}

async fn an_address_is_one_person(fixture: &Fixture) {
    let first = fixture.person("alice@example.com").await;
    fixture.look_away().await;
    for twin in ["alice@example.com", "ALICE@Example.com", " Alice@EXAMPLE.COM "] {
        let again = fixture.new_person(twin);
        let made = fixture.peer.people.register(&open::<Register>(), again).await.unwrap();
        assert_eq!(made, Creation::Taken, "{twin}");
    }
    fixture.assert_silent("an address that is taken").await;
    let now = fixture.stores.people.by_address(&first.person.address).await.unwrap();
    assert_eq!(now, Some(first), "and nothing of its person is changed");
}

async fn of_many_who_register_one_address_one_does(fixture: &Fixture) {
    fixture.look_away().await;
    let news: Vec<_> = (0..RACE).map(|_| fixture.new_person("alice@example.com")).collect();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) = (open::<Register>(), news[number].clone());
            async move { stores.people.register(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Creation::Done(())), count(&answers, &Creation::Taken)), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["person.registered"]);
    let made = answers.iter().position(|answer| *answer == Creation::Done(())).unwrap();
    let login = fixture.peer.people.by_address(&news[made].address).await.unwrap().unwrap();
    assert_eq!(login.person.id, news[made].id);
}

async fn a_login_is_told_the_domains_in_use(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let account = fixture.account().await;
    let domains =
        [fixture.domain(&account).await, fixture.domain(&account).await, fixture.domain(&account).await];
    for (domain, role) in domains.iter().zip([Role::Member, Role::DomainOwner]) {
        fixture.join(domain, login.person.id, role).await;
    }
    let told = async || {
        let login = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
        login.memberships.iter().map(|membership| (membership.domain, membership.role)).collect::<Vec<_>>()
    };
    let [first, second, _] = &domains;
    assert_eq!(told().await, [(first.id, Role::Member), (second.id, Role::DomainOwner)]);
    fixture.suspend_domain(second, Status::Suspended).await;
    assert_eq!(told().await, [(first.id, Role::Member)]);
    fixture.suspend_account(&account, Status::Suspended).await;
    assert_eq!(told().await, []);
}

async fn a_password_is_changed_once_and_ends_the_other_sessions(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (kept, other) = (begun(fixture, &login).await.0, begun(fixture, &login).await.0);
    let strange = begun(fixture, &fixture.person("bob@example.com").await).await.0;
    fixture.look_away().await;
    let grant = granted_to(&login);
    let (new, later) = (fixture.password_hash(1), fixture.password_hash(2));
    let change = async |old, new| {
        let people = &fixture.stores.people;
        people.change_password(&grant, old, new, (kept.id, Ends::Others), fixture.at()).await.unwrap()
    };
    let Change::Done(seq) = change(&login.password, new.clone()).await else { panic!("not changed") };
    assert_eq!(fixture.told().await, ["person.password_changed"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    let ended = async |id| fixture.peer.sessions.find(id).await.unwrap().unwrap().ended;
    assert_eq!((ended(kept.id).await, ended(other.id).await, ended(strange.id).await), (false, true, false));
    assert_eq!(change(&login.password, later).await, Change::Stale, "it is not the password any more");
    fixture.assert_silent("a stale change").await;
    let now = fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap();
    assert_eq!((&now.password, now.person.version), (&new, login.person.version.next()));
    let late = fixture.password_hash(3);
    fixture.set("people", "status = 'suspended'").await;
    assert_eq!(change(&new, late.clone()).await, Change::Stale, "they are suspended");
    fixture.set("people", "status = 'active'").await;
    let end = granted::<EndSession>(&kept);
    fixture.stores.sessions.end(&end, SessionEnd::LoggedOut, fixture.at()).await.unwrap();
    fixture.look_away().await;
    assert_eq!(change(&new, late).await, Change::Stale, "from a session that has ended");
    fixture.assert_silent("no change").await;
}

async fn a_password_may_end_the_session_that_sets_it(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let (own, other) = (begun(fixture, &login).await.0, begun(fixture, &login).await.0);
    fixture.look_away().await;
    let (people, new) = (&fixture.stores.people, fixture.password_hash(1));
    let by = (own.id, Ends::All);
    let changed = people.change_password(&granted_to(&login), &login.password, new, by, fixture.at()).await;
    let Change::Done(seq) = changed.unwrap() else { panic!("not changed") };
    assert_eq!(fixture.told().await, ["person.password_changed"]);
    let notice = Notice { seq, about: About::Person(login.person.id), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    for session in [own, other] {
        assert!(fixture.peer.sessions.find(session.id).await.unwrap().unwrap().ended);
    }
}

fn granted_to(login: &auth_core::model::Login) -> auth_core::policy::Granted<ChangePassword> {
    granted(&login.person)
}

async fn a_hash_is_renewed_where_it_is_the_same(fixture: &Fixture) {
    let login = fixture.person("alice@example.com").await;
    let other = fixture.person("bob@example.com").await;
    fixture.look_away().await;
    let (new, late) = (fixture.password_hash(1), fixture.password_hash(2));
    let people = &fixture.stores.people;
    people.rehash(&login.person.address, &login.password, new.clone()).await.unwrap();
    people.rehash(&login.person.address, &login.password, late).await.unwrap();
    fixture.assert_silent("the same password").await;
    let now = async |login: &auth_core::model::Login| {
        fixture.peer.people.by_address(&login.person.address).await.unwrap().unwrap().password
    };
    assert_eq!((now(&login).await, now(&other).await), (new, other.password.clone()));
}

async fn an_import_takes_over_whom_nobody_knows(fixture: &Fixture) {
    let known = fixture.person("alice@example.com").await;
    fixture.look_away().await;
    let grant = granted::<ImportPeople>(&Installation);
    let mut news = ["bob@example.com", "ALICE@example.com", "carol@example.com", "bob@example.com"]
        .map(|address| fixture.new_person(address));
    (news[0].verified, news[0].password) = (true, fixture.password_hash(7));
    let made = fixture.stores.people.import(&grant, news.to_vec()).await.unwrap();
    assert_eq!(made, [true, false, true, false]);
    assert_eq!(fixture.told().await, ["person.imported", "person.imported"]);
    let now = async |new: &NewPerson| fixture.peer.people.by_address(&new.address).await.unwrap().unwrap();
    let (bob, carol) = (now(&news[0]).await, now(&news[2]).await);
    assert_eq!(
        (bob.person.id, &bob.password, bob.person.verified_at),
        (news[0].id, &news[0].password, Some(news[0].at))
    );
    assert_eq!((carol.person.id, carol.person.verified_at), (news[2].id, None));
    assert!(!bob.person.is_super_admin && bob.memberships.is_empty() && bob.totp.is_none());
    assert_eq!(now(&news[1]).await, known, "nothing of whom it knows is changed");
    let again = fixture.peer.people.import(&grant, news.to_vec()).await.unwrap();
    assert_eq!(again, [false; 4]);
    fixture.assert_silent("an import that takes nobody over").await;
    assert_eq!(fixture.peer.people.import(&grant, Vec::new()).await.unwrap(), [false; 0]);
}

async fn of_many_imports_of_one_address_one_takes_it_over(fixture: &Fixture) {
    fixture.look_away().await;
    let news: Vec<_> = (0..RACE).map(|_| fixture.new_person("alice@example.com")).collect();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) = (granted::<ImportPeople>(&Installation), news[number].clone());
            async move { stores.people.import(&grant, vec![new]).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &vec![true]), count(&answers, &vec![false])), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["person.imported"]);
}

async fn of_many_first_super_admins_one_is_made(fixture: &Fixture) {
    let member = fixture.person("alice@example.com").await;
    fixture.look_away().await;
    assert!(fixture.peer.factors.is_empty().await.unwrap());
    let grant = granted::<CreateSuperAdmin>(&Installation);
    let create = async |address: &str| {
        let secret = Sealed::from_bytes(vec![7]);
        fixture
            .stores
            .people
            .create_first_super_admin(&grant, fixture.new_person(address), secret)
            .await
            .unwrap()
    };
    assert_eq!(create("alice@example.com").await, Creation::Taken, "the address is somebody's");
    let news: Vec<_> =
        (0..RACE).map(|number| fixture.new_person(&format!("admin{number}@example.com"))).collect();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) = (grant.clone(), news[number].clone());
            let secret = Sealed::from_bytes(number.to_be_bytes().to_vec());
            async move { stores.people.create_first_super_admin(&grant, new, secret).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Creation::Done(())), count(&answers, &Creation::Taken)), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["person.super_admin_created"]);
    assert_eq!(create("carol@example.com").await, Creation::Taken, "there is one");
    let made = answers.iter().position(|answer| *answer == Creation::Done(())).unwrap();
    let login = fixture.peer.people.by_address(&news[made].address).await.unwrap().unwrap();
    let factor = login.totp.unwrap();
    assert!(login.person.is_super_admin && factor.is_confirmed);
    assert_eq!(factor.secret, Sealed::from_bytes(made.to_be_bytes().to_vec()));
    assert!(!fixture.peer.factors.is_empty().await.unwrap());
    let now = fixture.peer.people.by_address(&member.person.address).await.unwrap().unwrap();
    assert!(!now.person.is_super_admin && now.totp.is_none());
    fixture.assert_silent("those who came later").await;
}
