//! User records.

use super::{
    cases,
    fixture::{
        ALL, Fixture, RACE, bearer, chatbot, count, email, everything, granted, hub, name, once, page, proof,
        scope_of,
    },
};
use auth_core::{
    model::{NewUser, Set, User, UserPatch, Version},
    policy::{Granted, Scope},
    port::{Change, ChangeUser, CreateUser, Creation, RemoveUser},
    principal::Tenant,
};
use std::time::Duration;

cases! {
    "users":
    one_opening_reads_what_another_made,
    a_scope_holds_its_own_account_alone,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    an_address_is_taken_once_an_account,
    a_change_is_made_at_the_version_that_was_read,
    a_grant_of_one_account_reaches_no_user_of_another,
    removing_is_final_and_frees_the_address,
    a_repeated_request_is_answered_as_the_first_for_a_day,
    one_request_sent_many_times_makes_one_user,
    of_many_makers_of_one_address_one_makes_it,
    of_many_changes_of_one_version_one_is_made,
    of_many_removals_one_removes,
}

async fn create(fixture: &Fixture, tenant: Tenant, new: NewUser) -> Creation {
    fixture.stores.users.create(&granted::<CreateUser>(&tenant), new, None).await.unwrap()
}

async fn user(fixture: &Fixture, tenant: Tenant, address: &str) -> User {
    let new = fixture.new_user(address);
    let id = new.id;
    assert_eq!(create(fixture, tenant, new).await, Creation::Done(()));
    fixture.stores.users.read(everything(), id).await.unwrap().unwrap()
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    let account = fixture.account().await;
    fixture.look_away().await;
    let made = user(fixture, hub(&account), "alice@example.com").await;
    assert_eq!(fixture.told().await, ["user.created"]);
    assert_eq!(fixture.peer.users.read(everything(), made.id).await.unwrap(), Some(made.clone()));
    assert_eq!((made.account, made.version), (account.id, Version::FIRST));
    assert_eq!((made.name, made.email), (name("Alice"), email("alice@example.com")));
}

async fn a_scope_holds_its_own_account_alone(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let domain = fixture.domain(&own).await;
    let mine = user(fixture, hub(&own), "alice@example.com").await;
    let foreign = user(fixture, hub(&other), "bob@example.com").await;
    let users = &fixture.stores.users;
    for (scope, seen) in [
        (scope_of(hub(&own)), vec![mine.clone()]),
        (scope_of(hub(&other)), vec![foreign.clone()]),
        (scope_of(chatbot(&domain)), vec![]),
        (Scope::of(None), vec![]),
    ] {
        assert_eq!(users.list(scope, ALL).await.unwrap(), seen);
        for user in [&mine, &foreign] {
            let wanted = seen.contains(user).then(|| user.clone());
            assert_eq!(users.read(scope, user.id).await.unwrap(), wanted);
        }
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let mut made = Vec::new();
    for number in 0..7 {
        made.insert(0, user(fixture, tenant, &format!("alice{number}@example.com")).await);
    }
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = fixture.peer.users.list(scope_of(tenant), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part);
    }
    assert_eq!(paged, made);
}

async fn an_address_is_taken_once_an_account(fixture: &Fixture) {
    let (own, other) = (hub(&fixture.account().await), hub(&fixture.account().await));
    user(fixture, own, "alice@example.com").await;
    user(fixture, other, "alice@example.com").await;
    fixture.look_away().await;
    let again = fixture.new_user("Alice@Example.com");
    let id = again.id;
    assert_eq!(create(fixture, own, again).await, Creation::Taken);
    fixture.assert_silent("a taken address").await;
    assert_eq!(fixture.peer.users.read(everything(), id).await.unwrap(), None);
}

async fn a_change_is_made_at_the_version_that_was_read(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let (alice, _bob) =
        (user(fixture, tenant, "alice@example.com").await, user(fixture, tenant, "bob@example.com").await);
    fixture.look_away().await;
    let grant = granted::<ChangeUser>(&alice);
    let to = |address: &str| UserPatch { email: Set::To(email(address)), ..UserPatch::default() };
    let change = async |version, patch| {
        fixture.stores.users.change(&grant, version, patch, fixture.at()).await.unwrap()
    };
    assert_eq!(change(alice.version, to("bob@example.com")).await, Change::Taken);
    assert_eq!(change(alice.version.next(), to("carol@example.com")).await, Change::Stale);
    fixture.assert_silent("a refused change").await;
    let Change::Done(changed) = change(alice.version, to("carol@example.com")).await else {
        panic!("it was not changed")
    };
    let wanted = User { email: email("carol@example.com"), version: alice.version.next(), ..alice.clone() };
    assert_eq!(changed, wanted);
    assert_eq!(fixture.peer.users.read(everything(), alice.id).await.unwrap(), Some(wanted));
    assert_eq!(fixture.told().await, ["user.changed"]);
    assert_eq!(change(alice.version, to("dora@example.com")).await, Change::Stale);
    assert!(matches!(change(changed.version, to("carol@example.com")).await, Change::Done(_)), "its own");
    assert_eq!(fixture.told().await, ["user.changed"]);
}

async fn a_grant_of_one_account_reaches_no_user_of_another(fixture: &Fixture) {
    let (own, other) = (hub(&fixture.account().await), hub(&fixture.account().await));
    let foreign = user(fixture, other, "alice@example.com").await;
    let proof = proof(bearer(own));
    assert!(auth_core::policy::grant::<ChangeUser, _>(&proof, &foreign).is_err());
    let grant = Granted::<CreateUser>::own(&proof).ok().unwrap();
    let new = fixture.new_user("alice@example.com");
    let id = new.id;
    assert_eq!(fixture.stores.users.create(&grant, new, None).await.unwrap(), Creation::Done(()));
    let made = fixture.peer.users.read(everything(), id).await.unwrap().unwrap();
    assert_eq!(made.account, own.account);
}

async fn removing_is_final_and_frees_the_address(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let alice = user(fixture, tenant, "alice@example.com").await;
    fixture.look_away().await;
    let grant = granted::<RemoveUser>(&alice);
    assert!(fixture.stores.users.remove(&grant, fixture.at()).await.unwrap());
    assert_eq!(fixture.told().await, ["user.removed"]);
    assert_eq!(fixture.peer.users.read(everything(), alice.id).await.unwrap(), None);
    assert!(!fixture.peer.users.remove(&grant, fixture.at()).await.unwrap());
    let change = granted::<ChangeUser>(&alice);
    let patch = UserPatch { name: Set::To(name("Back")), ..UserPatch::default() };
    let stale = fixture.stores.users.change(&change, alice.version, patch, fixture.at()).await.unwrap();
    assert_eq!(stale, Change::Stale);
    fixture.assert_silent("it was gone").await;
    user(fixture, tenant, "alice@example.com").await;
}

async fn a_repeated_request_is_answered_as_the_first_for_a_day(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let grant = granted::<CreateUser>(&tenant);
    let ask = async |address: &str, body: &str, answer: &str| {
        let (new, once) = (fixture.new_user(address), once("request", body, answer));
        fixture.stores.users.create(&grant, new, Some(once)).await.unwrap()
    };
    assert_eq!(ask("alice@example.com", "a", "first").await, Creation::Done(()));
    assert_eq!(fixture.told().await, ["user.created"]);
    assert_eq!(ask("alice@example.com", "a", "second").await, Creation::Repeated("first".to_owned()));
    assert_eq!(ask("bob@example.com", "b", "third").await, Creation::Mismatched);
    fixture.pass(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(ask("bob@example.com", "a", "fourth").await, Creation::Repeated("first".to_owned()));
    fixture.assert_silent("a repeated request").await;
    fixture.pass(Duration::from_secs(1));
    assert_eq!(ask("bob@example.com", "b", "fifth").await, Creation::Done(()), "forgotten after a day");
    assert_eq!(ask("bob@example.com", "b", "sixth").await, Creation::Repeated("fifth".to_owned()));
    assert_eq!(fixture.told().await, ["user.created"]);
}

async fn one_request_sent_many_times_makes_one_user(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, new) =
                (granted::<CreateUser>(&tenant), fixture.new_user(&format!("a{number}@example.com")));
            let once = once("request", "body", &new.id.to_string());
            async move { stores.users.create(&grant, new, Some(once)).await.unwrap() }
        })
        .await;
    let made = fixture.peer.users.list(scope_of(tenant), ALL).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(count(&answers, &Creation::Done(())), 1);
    assert_eq!(count(&answers, &Creation::Repeated(made[0].id.to_string())), RACE - 1);
    assert_eq!(fixture.told().await, ["user.created"]);
}

async fn of_many_makers_of_one_address_one_makes_it(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |_, stores| {
            let (grant, new) = (granted::<CreateUser>(&tenant), fixture.new_user("alice@example.com"));
            async move { stores.users.create(&grant, new, None).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Creation::Done(())), count(&answers, &Creation::Taken)), (1, RACE - 1));
    assert_eq!(fixture.peer.users.list(scope_of(tenant), ALL).await.unwrap().len(), 1);
    assert_eq!(fixture.told().await, ["user.created"]);
}

async fn of_many_changes_of_one_version_one_is_made(fixture: &Fixture) {
    let alice = user(fixture, hub(&fixture.account().await), "alice@example.com").await;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, version) = (granted::<ChangeUser>(&alice), alice.version);
            let patch = UserPatch { name: Set::To(name(&format!("n{number}"))), ..UserPatch::default() };
            async move { stores.users.change(&grant, version, patch, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    let now = fixture.peer.users.read(everything(), alice.id).await.unwrap().unwrap();
    assert_eq!(count(&answers, &Change::Done(now)), 1);
    assert_eq!(fixture.told().await, ["user.changed"]);
}

async fn of_many_removals_one_removes(fixture: &Fixture) {
    let alice = user(fixture, hub(&fixture.account().await), "alice@example.com").await;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = granted::<RemoveUser>(&alice);
            async move { stores.users.remove(&grant, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(fixture.told().await, ["user.removed"]);
}
