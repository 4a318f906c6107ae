//! Connections of users with providers of calendars: how they are linked, read and ended. What is done with a provider for
//! one is in `claims.rs`.

use super::{
    cases,
    fixture::{Fixture, RACE, chatbot, count, everything, granted, hub, scope_of},
    fixture_calendars::{ISSUER, Linker, ending, fitting, google, just_before, key_name, provider, using},
    keys::revoke,
};
use auth_core::{
    id::ConnectionId,
    model::{
        Connection, ConnectionStatus, NewConnection, Scopes, Status, StoredConnection, Subject, Version,
    },
    policy::Scope,
    port::{Claiming, Connecting, Outcome, RemoveUser, Renewed, Renewing},
};
use std::time::Duration;

cases! {
    "connections":
    one_opening_reads_what_another_stored,
    a_scope_holds_its_own_account_alone,
    a_user_has_one_of_each_provider,
    another_calendar_of_a_provider_is_refused,
    a_calendar_is_linked_once_over_all_accounts,
    consenting_again_replaces_what_there_is,
    consenting_again_takes_the_claim_away,
    one_of_another_number_or_that_is_being_ended_is_busy,
    nothing_is_stored_for_who_is_gone,
    what_a_key_sealed_that_is_not_of_the_vault_is_not_stored,
    a_connection_is_ended_once,
    those_ended_are_listed_in_their_order,
    removing_a_user_ends_what_they_linked,
    what_fails_midway_leaves_nothing,
    of_many_that_link_one_calendar_one_does,
    of_many_callbacks_of_one_user_one_is_stored,
    of_many_that_end_a_connection_one_ends_it,
    what_is_linked_while_its_user_is_removed_ends_with_them,
}

const CONNECTED: &str = "calendar.connected";
const DISCONNECTED: &str = "calendar.disconnected";

/// How many so link one calendar at the same time.
const MANY: usize = 100;

async fn one_opening_reads_what_another_stored(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    fixture.look_away().await;
    let new = fixture.new_connection(&alice, "alice");
    let linked = fixture.peer.connections.linked(&alice.connects(), &google()).await.unwrap();
    assert_eq!(linked, None);
    assert_eq!(fixture.connection(&alice, &google()).await, None);
    assert_eq!(fixture.connect(&alice, new.clone()).await, Connecting::Done);
    assert_eq!(fixture.told().await, [CONNECTED]);
    assert_eq!(fixture.announced().await, []);
    let connection = Connection {
        id: new.id,
        account: alice.account.id,
        user: alice.user.id,
        provider: new.provider,
        subject: new.subject,
        address: new.address,
        scopes: new.scopes,
        status: ConnectionStatus::Active,
        expires_at: new.expires_at,
        connected_at: new.at,
        failed_revocations: 0,
        version: Version::FIRST,
    };
    let listed = fixture.peer.connections.list(everything(), alice.user.id).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&connection));
    let wanted = StoredConnection { connection, tokens: new.tokens };
    assert_eq!(fixture.connection(&alice, &google()).await, Some(wanted));
    let linked = fixture.peer.connections.linked(&alice.connects(), &google()).await.unwrap();
    assert_eq!(linked, Some(new.id));
}

async fn a_scope_holds_its_own_account_alone(fixture: &Fixture) {
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let domain = fixture.domain(&alice.account).await;
    let (of_alice, of_bob) = (fixture.connected(&alice, "alice").await, fixture.connected(&bob, "bob").await);
    let connections = &fixture.peer.connections;
    for (scope, seen) in [
        (scope_of(hub(&alice.account)), vec![&of_alice]),
        (scope_of(hub(&bob.account)), vec![&of_bob]),
        (scope_of(chatbot(&domain)), vec![]),
        (Scope::of(None), vec![]),
        (everything(), vec![&of_alice, &of_bob]),
    ] {
        for stored in [&of_alice, &of_bob] {
            let user = stored.connection.user;
            let wanted = seen.contains(&stored).then(|| stored.clone());
            let listed: Vec<_> = wanted.iter().map(|stored| stored.connection.clone()).collect();
            assert_eq!(connections.list(scope, user).await.unwrap(), listed, "{scope:?}");
            assert_eq!(connections.read(scope, user, &google()).await.unwrap(), wanted, "{scope:?}");
        }
    }
}

async fn a_user_has_one_of_each_provider(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker_of(&alice.account, "bob@example.com").await;
    for (linker, name) in [(&alice, "microsoft"), (&bob, "google"), (&alice, "google"), (&bob, "microsoft")] {
        let subject = format!("{}-{name}", linker.user.id);
        let new = NewConnection { provider: provider(name), ..fixture.new_connection(linker, &subject) };
        assert_eq!(fixture.connect(linker, new).await, Connecting::Done);
    }
    for linker in [&alice, &bob] {
        let listed = fixture.peer.connections.list(everything(), linker.user.id).await.unwrap();
        let names: Vec<_> = listed.iter().map(|connection| connection.provider.as_str()).collect();
        assert_eq!(names, ["google", "microsoft"]);
        for connection in listed {
            assert_eq!(connection.user, linker.user.id);
            let grant = linker.connects();
            let linked = fixture.peer.connections.linked(&grant, &connection.provider).await.unwrap();
            assert_eq!(linked, Some(connection.id));
            assert_eq!(fixture.now(&connection).await.connection, connection);
        }
    }
    let none = fixture.peer.connections.linked(&alice.connects(), &provider("other")).await.unwrap();
    assert_eq!(none, None);
}

async fn another_calendar_of_a_provider_is_refused(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let stored = fixture.connected(&alice, "alice").await;
    fixture.look_away().await;
    for (issuer, subject) in [(ISSUER, "other"), ("https://other.example.com", "alice"), (ISSUER, "Alice")] {
        let subject = Subject { issuer: issuer.to_owned(), subject: subject.to_owned() };
        let id = stored.connection.id;
        let new = NewConnection { id, subject, ..fixture.new_connection(&alice, "") };
        assert_eq!(fixture.connect(&alice, new).await, Connecting::Occupied);
    }
    fixture.assert_silent("it is occupied").await;
    assert_eq!(fixture.now(&stored.connection).await, stored);
    // Once it was ended and forgotten, another one may be linked: `claims.rs`.
}

async fn a_calendar_is_linked_once_over_all_accounts(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let neighbour = fixture.linker_of(&alice.account, "bob@example.com").await;
    let stranger = fixture.linker("bob@example.com").await;
    let stored = fixture.connected(&alice, "alice").await;
    let theirs = fixture.connected(&stranger, "bob").await;
    let ended = fixture.connected(&neighbour, "carol").await;
    fixture.ended(&ended.connection).await;
    let is_linked = async |linker: &Linker, name: &str, subject: &str, why: &str| {
        let known = fixture.peer.connections.linked(&linker.connects(), &provider(name)).await.unwrap();
        let new = fixture.new_connection(linker, subject);
        let id = known.unwrap_or(new.id);
        let new = NewConnection { id, provider: provider(name), ..new };
        assert_eq!(fixture.connect(linker, new).await, Connecting::Linked, "{why}");
    };
    fixture.look_away().await;
    is_linked(&neighbour, "microsoft", "alice", "another user of the account").await;
    is_linked(&stranger, "microsoft", "alice", "a user of another account").await;
    is_linked(&stranger, "google", "alice", "who has another calendar of that provider").await;
    is_linked(&alice, "microsoft", "alice", "the same user, by another provider").await;
    is_linked(&stranger, "microsoft", "carol", "the provider is yet to be told").await;
    fixture.assert_silent("it is linked").await;
    for (linker, wanted) in [(&alice, &stored), (&stranger, &theirs)] {
        let listed = fixture.peer.connections.list(everything(), linker.user.id).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&wanted.connection));
        assert_eq!(fixture.now(&wanted.connection).await, *wanted);
    }
    // What differs in one of both is another calendar, and so is what differs in the case of a letter.
    let others = [("https://other.example.com", "alice"), (ISSUER, "ALICE"), (ISSUER, "alice ")];
    for (number, (issuer, subject)) in others.into_iter().enumerate() {
        let subject = Subject { issuer: issuer.to_owned(), subject: subject.to_owned() };
        let new = fixture.new_connection(&stranger, "");
        let new = NewConnection { provider: provider(&format!("p{number}")), subject, ..new };
        assert_eq!(fixture.connect(&stranger, new).await, Connecting::Done);
    }
}

async fn consenting_again_replaces_what_there_is(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker_of(&alice.account, "bob@example.com").await;
    let beside = fixture.connected(&bob, "bob").await;
    let first = fixture.connected(&alice, "alice").await.connection;
    let (claim, at) = fixture.new_claim();
    let claims = &fixture.stores.claims;
    assert!(matches!(claims.claim(&using(&first), claim, at).await.unwrap(), Claiming::Done(_)));
    assert!(claims.release(&using(&first), claim, Outcome::NeedsConsent, at).await.unwrap());
    fixture.set("connections", "failed_revocations = 3").await;
    let before = fixture.now(&first).await;
    assert_eq!(before.connection.status, ConnectionStatus::NeedsConsent);
    assert_eq!(before.connection.failed_revocations, 3);
    fixture.look_away().await;
    let again = NewConnection {
        id: first.id,
        address: None,
        scopes: Scopes::parse("openid calendar.readonly").unwrap(),
        ..fixture.new_connection(&bob, "alice")
    };
    assert_eq!(fixture.connect(&alice, again.clone()).await, Connecting::Done);
    assert_eq!(fixture.told().await, [CONNECTED]);
    let connection = Connection {
        address: None,
        scopes: again.scopes,
        status: ConnectionStatus::Active,
        expires_at: again.expires_at,
        connected_at: again.at,
        failed_revocations: 0,
        version: before.connection.version.next(),
        ..first.clone()
    };
    let wanted = StoredConnection { connection, tokens: again.tokens };
    assert_eq!(fixture.now(&first).await, wanted);
    assert_ne!(wanted.tokens, before.tokens);
    let listed = fixture.peer.connections.list(everything(), alice.user.id).await.unwrap();
    assert_eq!(listed, [wanted.connection]);
    assert_eq!(fixture.now(&beside.connection).await.tokens, beside.tokens, "another user's");
}

async fn consenting_again_takes_the_claim_away(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let connection = fixture.connected(&alice, "alice").await.connection;
    let (grant, (claim, at)) = (using(&connection), fixture.new_claim());
    let claims = &fixture.stores.claims;
    assert!(matches!(claims.claim(&grant, claim, at).await.unwrap(), Claiming::Done(_)));
    let again = NewConnection { id: connection.id, ..fixture.new_connection(&alice, "alice") };
    assert_eq!(fixture.connect(&alice, again.clone()).await, Connecting::Done);
    fixture.look_away().await;
    let late = Renewed {
        tokens: fixture.sealed(key_name(1)),
        expires_at: fixture.at() + Duration::from_secs(7200),
        scopes: Scopes::default(),
        needs_consent: false,
    };
    assert_eq!(claims.renewed(&grant, claim, late, fixture.at()).await.unwrap(), Renewing::Lost);
    for outcome in [Outcome::Unknown, Outcome::NeedsConsent] {
        assert!(!claims.release(&grant, claim, outcome, fixture.at()).await.unwrap());
    }
    fixture.assert_silent("what was asked before the consent is of no use").await;
    let now = fixture.now(&connection).await;
    assert_eq!((now.tokens, now.connection.status), (again.tokens, ConnectionStatus::Active));
    let (claim, at) = fixture.new_claim();
    let claimed = fixture.peer.claims.claim(&grant, claim, at).await.unwrap();
    assert!(matches!(claimed, Claiming::Done(_)), "nobody has it: {claimed:?}");
}

async fn one_of_another_number_or_that_is_being_ended_is_busy(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let stored = fixture.connected(&alice, "alice").await;
    fixture.look_away().await;
    for subject in ["alice", "other"] {
        let new = fixture.new_connection(&alice, subject);
        assert_eq!(fixture.connect(&alice, new).await, Connecting::Busy, "{subject}, by another number");
    }
    assert_eq!(fixture.now(&stored.connection).await, stored);
    fixture.assert_silent("it is busy").await;
    let ended = fixture.ended(&stored.connection).await;
    fixture.look_away().await;
    for subject in ["alice", "other"] {
        let new = fixture.new_connection(&alice, subject);
        for id in [stored.connection.id, new.id] {
            let new = NewConnection { id, ..new.clone() };
            assert_eq!(fixture.connect(&alice, new).await, Connecting::Busy, "{subject}, while it ends");
        }
    }
    let wanted = StoredConnection { connection: ended, tokens: stored.tokens };
    assert_eq!(fixture.now(&stored.connection).await, wanted);
    fixture.assert_silent("it is being ended").await;
}

async fn nothing_is_stored_for_who_is_gone(fixture: &Fixture) {
    let account = fixture.account().await;
    let end = fixture.at() + Duration::from_secs(60);
    let removed = fixture.linker_of(&account, "alice@example.com").await;
    let revoked = fixture.linker_of(&account, "bob@example.com").await;
    let over = fixture.linker_until(&account, "carol@example.com", Some(end)).await;
    let suspended = fixture.linker("alice@example.com").await;
    let other = fixture.linker("bob@example.com").await;
    // Of each, one that has a calendar already, too.
    let had = fixture.linker_of(&suspended.account, "bob@example.com").await;
    let (of_revoked, of_had) =
        (fixture.connected(&revoked, "revoked").await, fixture.connected(&had, "had").await);
    fixture.remove_user(&removed.user).await;
    revoke(fixture, &revoked.key).await.unwrap();
    fixture.suspend_account(&suspended.account, Status::Suspended).await;
    fixture.look_away().await;
    let new = |linker: &Linker, subject: &str| fixture.new_connection(linker, subject);
    let again = |linker: &Linker, stored: &StoredConnection, subject: &str| NewConnection {
        id: stored.connection.id,
        ..fixture.new_connection(linker, subject)
    };
    for (why, linker, new) in [
        ("the user was removed", &removed, new(&removed, "1")),
        ("the key was revoked", &revoked, again(&revoked, &of_revoked, "revoked")),
        ("the key is over", &over, NewConnection { at: end, ..new(&over, "3") }),
        ("the account is suspended", &suspended, new(&suspended, "4")),
        ("the account is suspended, of what there is", &had, again(&had, &of_had, "had")),
    ] {
        assert_eq!(fixture.connect(linker, new).await, Connecting::Gone, "{why}");
        let listed = fixture.peer.connections.list(everything(), linker.user.id).await.unwrap();
        let wanted = [&of_revoked, &of_had].map(|stored| stored.connection.clone());
        let wanted: Vec<_> = wanted.into_iter().filter(|own| own.user == linker.user.id).collect();
        assert_eq!(listed, wanted, "{why}");
    }
    fixture.assert_silent("nobody is there to have it").await;
    let last = NewConnection { at: just_before(end), ..new(&over, "3") };
    assert_eq!(fixture.connect(&over, last).await, Connecting::Done, "the key is live yet");
    assert_eq!(fixture.connect(&other, new(&other, "5")).await, Connecting::Done, "another account");
    fixture.suspend_account(&suspended.account, Status::Active).await;
    assert_eq!(fixture.connect(&suspended, new(&suspended, "4")).await, Connecting::Done, "it was revived");
}

async fn what_a_key_sealed_that_is_not_of_the_vault_is_not_stored(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker_of(&alice.account, "bob@example.com").await;
    let stored = fixture.connected(&alice, "alice").await;
    fixture.look_away().await;
    let unknown = || fixture.sealed(key_name(2));
    let again = NewConnection {
        id: stored.connection.id,
        tokens: unknown(),
        ..fixture.new_connection(&alice, "alice")
    };
    let new = NewConnection { tokens: unknown(), ..fixture.new_connection(&bob, "bob") };
    assert_eq!(fixture.connect(&alice, again).await, Connecting::KeyRetired);
    assert_eq!(fixture.connect(&bob, new.clone()).await, Connecting::KeyRetired);
    fixture.assert_silent("nobody opens it").await;
    assert_eq!(fixture.now(&stored.connection).await, stored);
    assert_eq!(fixture.connection(&bob, &google()).await, None);
    let sealed_anew = NewConnection { tokens: fixture.sealed(key_name(1)), ..new };
    assert_eq!(fixture.connect(&bob, sealed_anew).await, Connecting::Done);
}

async fn a_connection_is_ended_once(fixture: &Fixture) {
    let (alice, bob) = (fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await);
    let (stored, beside) = (fixture.connected(&alice, "alice").await, fixture.connected(&bob, "bob").await);
    fixture.look_away().await;
    let grant = ending(&stored.connection);
    assert!(fixture.stores.connections.disconnect(&grant, fixture.at()).await.unwrap());
    assert_eq!(fixture.told().await, [DISCONNECTED]);
    let connection = Connection {
        status: ConnectionStatus::Disconnecting,
        version: stored.connection.version.next(),
        ..stored.connection.clone()
    };
    let wanted = StoredConnection { connection, tokens: stored.tokens };
    for stores in fixture.both() {
        assert!(!stores.connections.disconnect(&grant, fixture.at()).await.unwrap(), "it was ended");
    }
    assert_eq!(fixture.now(&stored.connection).await, wanted, "it stays until its provider was told");
    let unknown = Connection { id: ConnectionId::from_bytes([9; 16]), ..stored.connection };
    assert!(!fixture.stores.connections.disconnect(&ending(&unknown), fixture.at()).await.unwrap());
    fixture.assert_silent("nothing was ended").await;
    assert_eq!(fixture.now(&beside.connection).await, beside);
}

async fn those_ended_are_listed_in_their_order(fixture: &Fixture) {
    let linkers = [fixture.linker("alice@example.com").await, fixture.linker("bob@example.com").await];
    let mut made = Vec::new();
    for number in 0..9 {
        let linker = &linkers[number % 2];
        let name = provider(&format!("p{number}"));
        let new = fixture.new_connection(linker, &format!("s{number}"));
        let new = NewConnection { provider: name.clone(), ..new };
        assert_eq!(fixture.connect(linker, new).await, Connecting::Done);
        made.push(fixture.connection(linker, &name).await.unwrap().connection);
    }
    let ended = async |after, limit| fixture.peer.connections.ended(after, limit).await.unwrap();
    assert_eq!(ended(None, 100).await, []);
    // One is active, and of one the user has to consent again.
    let (claim, at) = fixture.new_claim();
    let waits = using(&made[7]);
    fixture.stores.claims.claim(&waits, claim, at).await.unwrap();
    assert!(fixture.stores.claims.release(&waits, claim, Outcome::NeedsConsent, at).await.unwrap());
    let mut wanted = Vec::new();
    for connection in made[..7].iter().rev() {
        wanted.insert(0, fixture.ended(connection).await);
    }
    assert_eq!(ended(None, 100).await, wanted);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let part = ended(after, 3).await;
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        after = Some(last.id);
        paged.extend(part);
    }
    assert_eq!(paged, wanted);
}

async fn removing_a_user_ends_what_they_linked(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker_of(&alice.account, "bob@example.com").await;
    let mut linked = Vec::new();
    for name in ["google", "microsoft", "other"] {
        let new = NewConnection { provider: provider(name), ..fixture.new_connection(&alice, name) };
        assert_eq!(fixture.connect(&alice, new).await, Connecting::Done);
        linked.push(fixture.connection(&alice, &provider(name)).await.unwrap().connection);
    }
    // One is ended already, and about one a provider is asked now.
    let ended_before = fixture.ended(&linked[2]).await;
    let (claim, at) = fixture.new_claim();
    assert!(matches!(
        fixture.stores.claims.claim(&using(&linked[1]), claim, at).await.unwrap(),
        Claiming::Done(_)
    ));
    let beside = fixture.connected(&bob, "bob").await;
    let (open, of_bob) = (fixture.linking(&alice).await, fixture.linking(&bob).await);
    fixture.look_away().await;
    fixture.remove_user(&alice.user).await;
    let mut told = fixture.told().await;
    told.sort();
    assert_eq!(told, [DISCONNECTED, DISCONNECTED, "user.removed"]);
    let listed = fixture.peer.connections.list(everything(), alice.user.id).await.unwrap();
    let wanted: Vec<_> = linked[..2]
        .iter()
        .map(|connection| Connection {
            status: ConnectionStatus::Disconnecting,
            version: connection.version.next(),
            ..connection.clone()
        })
        .chain([ended_before])
        .collect();
    assert_eq!(listed, wanted, "they stay until their providers were told");
    assert_eq!(fixture.peer.connections.ended(None, 100).await.unwrap(), wanted);
    assert_eq!(fixture.now(&beside.connection).await, beside, "another user's");
    let again = granted::<RemoveUser>(&alice.user);
    assert!(!fixture.stores.users.remove(&again, fixture.at()).await.unwrap());
    let take =
        async |new| fixture.peer.authorizations.take(&fitting(new), fixture.at()).await.unwrap().is_some();
    assert!(!take(&open).await);
    assert!(take(&of_bob).await);
    fixture.assert_silent("they were removed").await;
    fixture.remove_user(&bob.user).await;
    let mut told = fixture.told().await;
    told.sort();
    assert_eq!(told, [DISCONNECTED, "user.removed"]);
}

async fn what_fails_midway_leaves_nothing(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker("bob@example.com").await;
    let stored = fixture.connected(&alice, "alice").await;
    let trail = [("INSERT", "audit_events"), ("UPDATE", "audit_head")];
    let connections = &fixture.stores.connections;
    let (own, theirs) = (alice.connects(), bob.connects());
    for write in trail.into_iter().chain([("INSERT", "connections")]) {
        let new = fixture.new_connection(&bob, "bob");
        fixture.leaves_nothing(write, connections.connect(&theirs, new)).await;
    }
    let (end, remove) = (ending(&stored.connection), granted::<RemoveUser>(&alice.user));
    fixture.linking(&alice).await;
    for write in trail.into_iter().chain([("UPDATE", "connections")]) {
        let again = NewConnection { id: stored.connection.id, ..fixture.new_connection(&alice, "alice") };
        fixture.leaves_nothing(write, connections.connect(&own, again)).await;
        fixture.leaves_nothing(write, connections.disconnect(&end, fixture.at())).await;
        fixture.leaves_nothing(write, fixture.stores.users.remove(&remove, fixture.at())).await;
    }
    fixture.look_away().await;
    // The number of another user's connection.
    let taken = NewConnection { id: stored.connection.id, ..fixture.new_connection(&bob, "bob") };
    assert!(connections.connect(&theirs, taken).await.is_err());
    fixture.assert_silent("it failed").await;
    assert_eq!(fixture.now(&stored.connection).await, stored);
    assert_eq!(fixture.connection(&bob, &google()).await, None);
    fixture.connected(&bob, "bob").await;
}

async fn of_many_that_link_one_calendar_one_does(fixture: &Fixture) {
    let first = fixture.linker("alice@example.com").await;
    let second = fixture.linker("alice@example.com").await;
    let mut linkers = Vec::new();
    for number in 0..MANY {
        let of = if number < MANY / 2 { &first } else { &second };
        let user = fixture.user(&of.account, &format!("alice{number}@example.com")).await;
        linkers.push(Linker { user, ..of.clone() });
    }
    fixture.look_away().await;
    let answers = fixture
        .race(MANY, |number, stores| {
            let linker = &linkers[number];
            let (grant, new) = (linker.connects(), fixture.new_connection(linker, "alice"));
            async move { stores.connections.connect(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Connecting::Done), 1);
    assert_eq!(count(&answers, &Connecting::Linked), MANY - 1);
    assert_eq!(fixture.told().await, [CONNECTED]);
    for (linker, answer) in linkers.iter().zip(&answers) {
        let rows = fixture.peer.connections.list(everything(), linker.user.id).await.unwrap().len();
        assert_eq!(rows, usize::from(*answer == Connecting::Done));
    }
}

async fn of_many_callbacks_of_one_user_one_is_stored(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    for (name, calendars) in [("google", 1), ("microsoft", MANY)] {
        fixture.look_away().await;
        let answers = fixture
            .race(MANY, |number, stores| {
                let new = fixture.new_connection(&alice, &format!("{name}-{}", number % calendars));
                let (grant, new) = (alice.connects(), NewConnection { provider: provider(name), ..new });
                async move {
                    let id = new.id;
                    (id, stores.connections.connect(&grant, new).await.unwrap())
                }
            })
            .await;
        let done: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Connecting::Done).collect();
        assert_eq!(done.len(), 1, "{name}");
        let busy = answers.iter().filter(|(_, answer)| *answer == Connecting::Busy).count();
        assert_eq!(busy, MANY - 1, "{name}");
        let stored = fixture.connection(&alice, &provider(name)).await.unwrap();
        assert_eq!((stored.connection.id, stored.connection.version), (done[0].0, Version::FIRST));
        assert_eq!(fixture.told().await, [CONNECTED]);
    }
    assert_eq!(fixture.peer.connections.list(everything(), alice.user.id).await.unwrap().len(), 2);
}

async fn of_many_that_end_a_connection_one_ends_it(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let connection = fixture.connected(&alice, "alice").await.connection;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = ending(&connection);
            async move { stores.connections.disconnect(&grant, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(fixture.told().await, [DISCONNECTED]);
    assert_eq!(fixture.now(&connection).await.connection.version, connection.version.next());
}

async fn what_is_linked_while_its_user_is_removed_ends_with_them(fixture: &Fixture) {
    const ONES: usize = 30;
    for round in 0..5 {
        let alice = fixture.linker("alice@example.com").await;
        fixture.look_away().await;
        let answers = fixture
            .race_to_the_end(ONES, |number, stores| {
                let new = fixture.new_connection(&alice, &format!("{round}-{number}"));
                let new = NewConnection { provider: provider(&format!("p{number}")), ..new };
                let (connects, removes) = (alice.connects(), granted::<RemoveUser>(&alice.user));
                async move {
                    if number == ONES / 2 {
                        assert!(stores.users.remove(&removes, new.at).await.unwrap());
                        return None;
                    }
                    Some(stores.connections.connect(&connects, new).await.unwrap())
                }
            })
            .await;
        let done = count(&answers, &Some(Connecting::Done));
        assert!(done > 0, "one comes before the end");
        assert_eq!(count(&answers, &Some(Connecting::Gone)), ONES - 1 - done);
        let left = fixture.peer.connections.list(everything(), alice.user.id).await.unwrap();
        assert_eq!(left.len(), done);
        for connection in left {
            assert_eq!(connection.status, ConnectionStatus::Disconnecting, "nobody is there to use it");
        }
        let told = fixture.told().await;
        assert_eq!(told.iter().filter(|action| *action == CONNECTED).count(), done);
        assert_eq!(told.iter().filter(|action| *action == DISCONNECTED).count(), done);
    }
}
