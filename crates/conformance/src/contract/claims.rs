//! What is done with a provider for a connection, by one at a time.

use super::{
    cases,
    fixture::{Fixture, RACE, count, everything},
    fixture_calendars::{ending, google, just_before, key_name, using, vault_key},
};
use auth_core::{
    id::ConnectionId,
    model::{Connection, ConnectionStatus, NewConnection, Scopes, StoredConnection},
    port::{CLAIM, Claim, Claiming, Connecting, Forgotten, Outcome, Renewed, Renewing, Stores},
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "claims":
    one_has_it_and_everybody_else_waits,
    an_active_one_is_claimed_and_an_ended_one_to_tell_its_provider,
    a_claim_is_over_after_its_time_and_then_anothers,
    who_comes_late_changes_nothing,
    tokens_that_came_are_stored_and_the_claim_given_up,
    tokens_that_do_not_do_are_kept_for_the_end,
    tokens_that_come_once_it_was_ended_are_stored_and_nothing_else,
    tokens_of_a_key_that_is_not_of_the_vault_leave_the_claim,
    a_claim_is_of_one_connection,
    what_brought_nothing_leaves_it_as_it_was,
    where_the_provider_refuses_the_user_has_to_consent_again,
    a_provider_that_was_told_in_vain_is_told_again,
    what_a_provider_was_told_of_is_forgotten_and_may_be_linked_again,
    what_is_not_ended_is_not_forgotten,
    what_fails_midway_leaves_nothing,
    of_many_that_claim_it_one_gets_it,
    of_many_that_forget_it_one_does,
}

const RENEWED: &str = "calendar.renewed";

/// Claims a connection as of a time, to ask for other tokens.
async fn claimed(stores: &Stores, connection: &Connection, claim: Claim, at: Timestamp) -> Claiming {
    stores.claims.claim(&using(connection), claim, at).await.unwrap()
}

/// Claims an ended one as of a time, to tell the provider.
async fn claimed_ended(stores: &Stores, connection: &Connection, claim: Claim, at: Timestamp) -> Claiming {
    stores.claims.claim_ended(&ending(connection), claim, at).await.unwrap()
}

/// A claim that somebody has from now on, and when it began.
async fn holder(fixture: &Fixture, connection: &Connection) -> (Claim, Timestamp) {
    let (claim, at) = fixture.new_claim();
    let answer = claimed(&fixture.stores, connection, claim, at).await;
    assert!(matches!(answer, Claiming::Done(_)), "{answer:?}");
    (claim, at)
}

/// The same of an ended one.
async fn holder_of_ended(fixture: &Fixture, connection: &Connection) -> (Claim, Timestamp) {
    let (claim, at) = fixture.new_claim();
    let answer = claimed_ended(&fixture.stores, connection, claim, at).await;
    assert!(matches!(answer, Claiming::Done(_)), "{answer:?}");
    (claim, at)
}

/// Whether nobody has an active connection, as another process finds; then that one has it.
async fn is_free(fixture: &Fixture, connection: &Connection) -> bool {
    let (claim, at) = fixture.new_claim();
    matches!(claimed(&fixture.peer, connection, claim, at).await, Claiming::Done(_))
}

fn tokens(fixture: &Fixture) -> Renewed {
    Renewed {
        tokens: fixture.sealed(key_name(1)),
        expires_at: fixture.at() + Duration::from_secs(7200),
        scopes: Scopes::parse("calendar.readonly").unwrap(),
        needs_consent: false,
    }
}

async fn renewed(fixture: &Fixture, connection: &Connection, claim: Claim, renewed: &Renewed) -> Renewing {
    let (grant, at) = (using(connection), fixture.at());
    fixture.peer.claims.renewed(&grant, claim, renewed.clone(), at).await.unwrap()
}

async fn released(fixture: &Fixture, connection: &Connection, claim: Claim, outcome: Outcome) -> bool {
    fixture.peer.claims.release(&using(connection), claim, outcome, fixture.at()).await.unwrap()
}

async fn forgotten(fixture: &Fixture, connection: &Connection, claim: Claim, how: Forgotten) -> bool {
    fixture.peer.claims.forget(&ending(connection), claim, how, fixture.at()).await.unwrap()
}

async fn told_in_vain(fixture: &Fixture, connection: &Connection, claim: Claim) -> bool {
    fixture.peer.claims.not_revoked(&ending(connection), claim, fixture.at()).await.unwrap()
}

/// A calendar that was linked.
async fn linked(fixture: &Fixture) -> StoredConnection {
    let alice = fixture.linker("alice@example.com").await;
    fixture.connected(&alice, &alice.user.id.to_string()).await
}

async fn one_has_it_and_everybody_else_waits(fixture: &Fixture) {
    let (stored, beside) = (linked(fixture).await, linked(fixture).await);
    let connection = &stored.connection;
    fixture.look_away().await;
    let (claim, at) = fixture.new_claim();
    let first = claimed(&fixture.stores, connection, claim, at).await;
    assert_eq!(first, Claiming::Done(Box::new(stored.clone())), "as it is found");
    for stores in fixture.both() {
        let (other, at) = fixture.new_claim();
        assert_eq!(claimed(stores, connection, other, at).await, Claiming::Busy);
        assert_eq!(claimed(stores, connection, claim, at).await, Claiming::Busy, "nor twice by the same");
    }
    assert!(is_free(fixture, &beside.connection).await, "another connection");
    assert_eq!(fixture.now(connection).await, stored, "nobody sees a claim");
    fixture.assert_silent("a claim is no event").await;
}

async fn an_active_one_is_claimed_and_an_ended_one_to_tell_its_provider(fixture: &Fixture) {
    let (active, waits, ended) = (linked(fixture).await, linked(fixture).await, linked(fixture).await);
    let (claim, _) = holder(fixture, &waits.connection).await;
    assert!(released(fixture, &waits.connection, claim, Outcome::NeedsConsent).await);
    fixture.ended(&ended.connection).await;
    fixture.look_away().await;
    let unknown = Connection { id: ConnectionId::from_bytes([9; 16]), ..active.connection.clone() };
    for (why, connection, to_use, to_end) in [
        ("it is active", &active.connection, true, false),
        ("the user has to consent", &waits.connection, false, false),
        ("it is ended", &ended.connection, false, true),
        ("it is unknown", &unknown, false, false),
    ] {
        let (claim, at) = fixture.new_claim();
        let told = claimed_ended(&fixture.peer, connection, claim, at).await;
        let used = claimed(&fixture.stores, connection, claim, at).await;
        for (answer, wanted) in [(used, to_use), (told, to_end)] {
            if wanted {
                assert_eq!(answer, Claiming::Done(Box::new(fixture.now(connection).await)), "{why}");
            } else {
                assert_eq!(answer, Claiming::Gone, "{why}");
            }
        }
    }
    fixture.assert_silent("a claim is no event").await;
}

async fn a_claim_is_over_after_its_time_and_then_anothers(fixture: &Fixture) {
    let connection = linked(fixture).await.connection;
    let (_, at) = holder(fixture, &connection).await;
    let end = at + CLAIM;
    let (second, third) = (Claim::draw(end, fixture.entropy()), Claim::draw(end, fixture.entropy()));
    assert_eq!(claimed(&fixture.peer, &connection, second, just_before(end)).await, Claiming::Busy);
    assert!(matches!(claimed(&fixture.peer, &connection, second, end).await, Claiming::Done(_)));
    assert_eq!(claimed(&fixture.stores, &connection, third, end).await, Claiming::Busy);
    let next = end + CLAIM;
    assert_eq!(claimed(&fixture.stores, &connection, third, just_before(next)).await, Claiming::Busy);
    // It is ended meanwhile: who tells the provider waits for whoever has it, and no longer.
    fixture.ended(&connection).await;
    let fourth = Claim::draw(next, fixture.entropy());
    let told = claimed_ended(&fixture.stores, &connection, fourth, just_before(next)).await;
    assert_eq!(told, Claiming::Busy);
    let told = claimed_ended(&fixture.stores, &connection, fourth, next).await;
    assert_eq!(told, Claiming::Done(Box::new(fixture.now(&connection).await)));
    let after = next + CLAIM;
    let fifth = Claim::draw(after, fixture.entropy());
    let told = claimed_ended(&fixture.peer, &connection, fifth, just_before(after)).await;
    assert_eq!(told, Claiming::Busy);
    assert!(matches!(claimed_ended(&fixture.peer, &connection, fifth, after).await, Claiming::Done(_)));
}

async fn who_comes_late_changes_nothing(fixture: &Fixture) {
    let connection = linked(fixture).await.connection;
    let (late, _) = holder(fixture, &connection).await;
    fixture.pass(CLAIM);
    let (current, _) = holder(fixture, &connection).await;
    let before = fixture.now(&connection).await;
    fixture.look_away().await;
    let unchanged = async |why: &str| {
        let tokens = tokens(fixture);
        assert_eq!(renewed(fixture, &connection, late, &tokens).await, Renewing::Lost, "{why}");
        for outcome in [Outcome::Unknown, Outcome::NeedsConsent] {
            assert!(!released(fixture, &connection, late, outcome).await, "{why}");
        }
        assert!(!told_in_vain(fixture, &connection, late).await, "{why}");
        assert!(!forgotten(fixture, &connection, late, Forgotten::Revoked).await, "{why}");
    };
    unchanged("it is another's").await;
    assert_eq!(fixture.now(&connection).await, before);
    assert!(!is_free(fixture, &connection).await, "the other one has it yet");
    assert!(released(fixture, &connection, current, Outcome::Unknown).await);
    unchanged("it is nobody's").await;
    assert_eq!(fixture.now(&connection).await, before);
    fixture.assert_silent("nothing came of it").await;
    let ended = fixture.ended(&connection).await;
    let (late_teller, _) = holder_of_ended(fixture, &connection).await;
    fixture.pass(CLAIM);
    let (teller, _) = holder_of_ended(fixture, &connection).await;
    fixture.look_away().await;
    unchanged("it is ended, and another's").await;
    assert!(!forgotten(fixture, &connection, late_teller, Forgotten::Revoked).await);
    assert!(!told_in_vain(fixture, &connection, late_teller).await);
    assert_eq!(fixture.now(&connection).await.connection, ended);
    fixture.assert_silent("nothing came of it").await;
    assert!(forgotten(fixture, &connection, teller, Forgotten::Revoked).await);
    unchanged("it is forgotten").await;
}

async fn tokens_that_came_are_stored_and_the_claim_given_up(fixture: &Fixture) {
    let (stored, beside) = (linked(fixture).await, linked(fixture).await);
    let connection = &stored.connection;
    let (claim, _) = holder(fixture, connection).await;
    fixture.look_away().await;
    let came = tokens(fixture);
    assert_eq!(renewed(fixture, connection, claim, &came).await, Renewing::Done);
    assert_eq!(fixture.told().await, [RENEWED]);
    let wanted = StoredConnection {
        connection: Connection {
            scopes: came.scopes.clone(),
            expires_at: came.expires_at,
            version: connection.version.next(),
            ..connection.clone()
        },
        tokens: came.tokens,
    };
    assert_eq!(fixture.now(connection).await, wanted);
    assert_eq!(fixture.now(&beside.connection).await, beside, "another connection");
    assert_eq!(renewed(fixture, connection, claim, &tokens(fixture)).await, Renewing::Lost, "once");
    assert!(!released(fixture, connection, claim, Outcome::NeedsConsent).await);
    fixture.assert_silent("the claim was given up").await;
    assert_eq!(fixture.now(connection).await, wanted);
    assert!(is_free(fixture, connection).await);
}

async fn tokens_that_do_not_do_are_kept_for_the_end(fixture: &Fixture) {
    let connection = linked(fixture).await.connection;
    let (claim, _) = holder(fixture, &connection).await;
    fixture.look_away().await;
    let came = Renewed { needs_consent: true, ..tokens(fixture) };
    assert_eq!(renewed(fixture, &connection, claim, &came).await, Renewing::Done);
    assert_eq!(fixture.told().await, ["calendar.needs_consent"]);
    let now = fixture.now(&connection).await;
    assert_eq!((now.connection.status, &now.tokens), (ConnectionStatus::NeedsConsent, &came.tokens));
    let (other, at) = fixture.new_claim();
    assert_eq!(claimed(&fixture.stores, &connection, other, at).await, Claiming::Gone, "it gives nothing");
}

async fn tokens_that_come_once_it_was_ended_are_stored_and_nothing_else(fixture: &Fixture) {
    let connection = linked(fixture).await.connection;
    let (claim, _) = holder(fixture, &connection).await;
    let ended = fixture.ended(&connection).await;
    fixture.look_away().await;
    let came = tokens(fixture);
    assert_eq!(renewed(fixture, &connection, claim, &came).await, Renewing::Ended);
    assert_eq!(fixture.told().await, [RENEWED]);
    let now = fixture.now(&connection).await;
    assert_eq!(now.tokens, came.tokens, "the provider takes those before them no more");
    assert_eq!(now.connection.status, ConnectionStatus::Disconnecting);
    assert_eq!(now.connection.version, ended.version.next());
    let (claim, at) = fixture.new_claim();
    assert_eq!(claimed(&fixture.stores, &connection, claim, at).await, Claiming::Gone);
    assert_eq!(claimed_ended(&fixture.stores, &connection, claim, at).await, Claiming::Done(Box::new(now)));
}

async fn tokens_of_a_key_that_is_not_of_the_vault_leave_the_claim(fixture: &Fixture) {
    let stored = linked(fixture).await;
    let connection = &stored.connection;
    let (claim, _) = holder(fixture, connection).await;
    fixture.look_away().await;
    let unopened = Renewed { tokens: fixture.sealed(key_name(2)), ..tokens(fixture) };
    assert_eq!(renewed(fixture, connection, claim, &unopened).await, Renewing::KeyRetired);
    fixture.assert_silent("nothing was stored").await;
    assert_eq!(fixture.now(connection).await, stored);
    assert!(!is_free(fixture, connection).await, "the claim stands");
    fixture.bring(vault_key(2, b"proof")).await;
    assert_eq!(renewed(fixture, connection, claim, &unopened).await, Renewing::Done);
    assert_eq!(fixture.now(connection).await.tokens, unopened.tokens);
}

async fn a_claim_is_of_one_connection(fixture: &Fixture) {
    let (own, other, ended) = (linked(fixture).await, linked(fixture).await, linked(fixture).await);
    fixture.ended(&ended.connection).await;
    let (claim, _) = holder(fixture, &own.connection).await;
    let (theirs, _) = holder(fixture, &other.connection).await;
    holder_of_ended(fixture, &ended.connection).await;
    let ended = fixture.now(&ended.connection).await;
    fixture.look_away().await;
    for stored in [&other, &ended] {
        let connection = &stored.connection;
        assert_eq!(renewed(fixture, connection, claim, &tokens(fixture)).await, Renewing::Lost);
        for outcome in [Outcome::Unknown, Outcome::NeedsConsent] {
            assert!(!released(fixture, connection, claim, outcome).await);
        }
        for how in [Forgotten::Revoked, Forgotten::Unsupported, Forgotten::Unopened] {
            assert!(!forgotten(fixture, connection, claim, how).await);
        }
        assert!(!told_in_vain(fixture, connection, claim).await);
        assert_eq!(fixture.now(connection).await, *stored);
    }
    fixture.assert_silent("it is of another connection").await;
    assert!(released(fixture, &other.connection, theirs, Outcome::Unknown).await, "theirs stands");
    assert!(released(fixture, &own.connection, claim, Outcome::Unknown).await, "and so does this one");
}

async fn what_brought_nothing_leaves_it_as_it_was(fixture: &Fixture) {
    let stored = linked(fixture).await;
    let connection = &stored.connection;
    fixture.look_away().await;
    let (claim, _) = holder(fixture, connection).await;
    assert!(released(fixture, connection, claim, Outcome::Unknown).await);
    assert!(!released(fixture, connection, claim, Outcome::Unknown).await, "it was given up");
    assert_eq!(fixture.now(connection).await, stored);
    assert!(is_free(fixture, connection).await);
    fixture.assert_silent("nothing came of it").await;
}

async fn where_the_provider_refuses_the_user_has_to_consent_again(fixture: &Fixture) {
    let (stored, beside, ended) = (linked(fixture).await, linked(fixture).await, linked(fixture).await);
    let connection = &stored.connection;
    let (claim, _) = holder(fixture, connection).await;
    let (of_ended, _) = holder(fixture, &ended.connection).await;
    fixture.ended(&ended.connection).await;
    let ended = fixture.now(&ended.connection).await;
    fixture.look_away().await;
    assert!(released(fixture, connection, claim, Outcome::NeedsConsent).await);
    assert_eq!(fixture.told().await, ["calendar.needs_consent"]);
    let waits = Connection {
        status: ConnectionStatus::NeedsConsent,
        version: connection.version.next(),
        ..connection.clone()
    };
    let wanted = StoredConnection { connection: waits, tokens: stored.tokens.clone() };
    assert_eq!(fixture.now(connection).await, wanted);
    assert!(!released(fixture, connection, claim, Outcome::NeedsConsent).await, "it was given up");
    assert!(!is_free(fixture, connection).await, "it is in no state to be claimed");
    assert_eq!(fixture.now(connection).await, wanted);
    // One that was ended meanwhile stays ended; its claim is given up all the same.
    assert!(released(fixture, &ended.connection, of_ended, Outcome::NeedsConsent).await);
    assert_eq!(fixture.now(&ended.connection).await, ended);
    fixture.assert_silent("it was ended").await;
    holder_of_ended(fixture, &ended.connection).await;
    assert_eq!(fixture.now(&beside.connection).await, beside, "another connection");
}

async fn a_provider_that_was_told_in_vain_is_told_again(fixture: &Fixture) {
    let (stored, beside) = (linked(fixture).await, linked(fixture).await);
    let connection = &stored.connection;
    let mut wanted = fixture.ended(connection).await;
    fixture.ended(&beside.connection).await;
    for failures in 1..=3 {
        let (claim, _) = holder_of_ended(fixture, connection).await;
        fixture.look_away().await;
        assert!(told_in_vain(fixture, connection, claim).await);
        assert_eq!(fixture.told().await, ["calendar.not_revoked"]);
        wanted = Connection { failed_revocations: failures, version: wanted.version.next(), ..wanted };
        assert_eq!(fixture.now(connection).await.connection, wanted);
        assert!(!told_in_vain(fixture, connection, claim).await, "the claim was given up");
        fixture.assert_silent("it was noted").await;
    }
    let now = fixture.now(connection).await;
    assert_eq!(now.tokens, stored.tokens);
    let listed = fixture.peer.connections.ended(None, 100).await.unwrap();
    assert_eq!(listed, [wanted, fixture.now(&beside.connection).await.connection]);
    assert_eq!(listed[1].failed_revocations, 0, "another connection");
}

async fn what_a_provider_was_told_of_is_forgotten_and_may_be_linked_again(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let bob = fixture.linker("bob@example.com").await;
    for (how, next) in
        [(Forgotten::Revoked, &bob), (Forgotten::Unsupported, &alice), (Forgotten::Unopened, &bob)]
    {
        let linker = if next.user.id == alice.user.id { &bob } else { &alice };
        let connection = fixture.connection(linker, &google()).await;
        let connection = match connection {
            Some(stored) => stored.connection,
            None => fixture.connected(linker, "calendar").await.connection,
        };
        fixture.ended(&connection).await;
        let new = fixture.new_connection(next, "calendar");
        assert_eq!(fixture.connect(next, new.clone()).await, Connecting::Linked, "it is to be told yet");
        let (claim, _) = holder_of_ended(fixture, &connection).await;
        fixture.look_away().await;
        assert!(forgotten(fixture, &connection, claim, how).await);
        assert_eq!(fixture.told().await, ["calendar.forgotten"]);
        let entries = fixture.peer.audit.scan(1, u16::MAX).await.unwrap();
        let event = &entries.last().unwrap().entry.event;
        assert!(event.contains(how.name()), "{event}");
        assert_eq!(fixture.connection(linker, &google()).await, None);
        let listed = fixture.peer.connections.list(everything(), linker.user.id).await.unwrap();
        assert_eq!(listed, []);
        assert_eq!(fixture.peer.connections.ended(None, 100).await.unwrap(), []);
        assert!(!forgotten(fixture, &connection, claim, how).await, "it is gone");
        let (claim, at) = fixture.new_claim();
        assert_eq!(claimed_ended(&fixture.stores, &connection, claim, at).await, Claiming::Gone);
        fixture.assert_silent("it was forgotten").await;
        assert_eq!(fixture.connect(next, new).await, Connecting::Done, "now it is nobody's");
    }
    // Whoever had it may have another one now.
    fixture.connected(&alice, "another").await;
}

async fn what_is_not_ended_is_not_forgotten(fixture: &Fixture) {
    let stored = linked(fixture).await;
    let connection = &stored.connection;
    let (claim, _) = holder(fixture, connection).await;
    fixture.look_away().await;
    for how in [Forgotten::Revoked, Forgotten::Unsupported, Forgotten::Unopened] {
        assert!(!forgotten(fixture, connection, claim, how).await);
    }
    assert!(!told_in_vain(fixture, connection, claim).await, "no provider was told");
    fixture.assert_silent("it is active").await;
    assert_eq!(fixture.now(connection).await, stored);
    assert!(released(fixture, connection, claim, Outcome::Unknown).await, "the claim stands");
    // Nor what is ended, and that nobody has.
    let ended = fixture.ended(connection).await;
    let (never, _) = fixture.new_claim();
    for claim in [claim, never] {
        assert!(!forgotten(fixture, connection, claim, Forgotten::Revoked).await);
        assert!(!told_in_vain(fixture, connection, claim).await);
    }
    assert_eq!(fixture.now(connection).await.connection, ended);
}

async fn what_fails_midway_leaves_nothing(fixture: &Fixture) {
    let (active, ended) = (linked(fixture).await.connection, linked(fixture).await.connection);
    fixture.ended(&ended).await;
    let (claim, at) = holder(fixture, &active).await;
    let (telling, _) = holder_of_ended(fixture, &ended).await;
    let claims = &fixture.stores.claims;
    let (uses, ends) = (using(&active), ending(&ended));
    let trail = [("INSERT", "audit_events"), ("UPDATE", "audit_head")];
    for write in trail.into_iter().chain([("UPDATE", "connections")]) {
        let came = tokens(fixture);
        fixture.leaves_nothing(write, claims.renewed(&uses, claim, came, at)).await;
        fixture.leaves_nothing(write, claims.release(&uses, claim, Outcome::NeedsConsent, at)).await;
        fixture.leaves_nothing(write, claims.not_revoked(&ends, telling, at)).await;
    }
    for write in trail.into_iter().chain([("DELETE", "connections")]) {
        fixture.leaves_nothing(write, claims.forget(&ends, telling, Forgotten::Revoked, at)).await;
    }
    let update = ("UPDATE", "connections");
    fixture.leaves_nothing(update, claims.release(&uses, claim, Outcome::Unknown, at)).await;
    // Both claims stand.
    assert_eq!(renewed(fixture, &active, claim, &tokens(fixture)).await, Renewing::Done);
    assert!(told_in_vain(fixture, &ended, telling).await);
    let (next, at) = fixture.new_claim();
    fixture.leaves_nothing(update, claims.claim(&uses, next, at)).await;
    fixture.leaves_nothing(update, claims.claim_ended(&ends, next, at)).await;
    assert!(is_free(fixture, &active).await, "nobody got it");
}

async fn of_many_that_claim_it_one_gets_it(fixture: &Fixture) {
    let stored = linked(fixture).await;
    let connection = &stored.connection;
    for round in 0..3 {
        let at = fixture.at();
        let answers = fixture
            .race(RACE, |_, stores| {
                let (claim, grant) = (Claim::draw(at, fixture.entropy()), using(connection));
                async move { (claim, stores.claims.claim(&grant, claim, at).await.unwrap()) }
            })
            .await;
        let done: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| *answer == Claiming::Done(Box::new(stored.clone())))
            .collect();
        assert_eq!(done.len(), 1, "round {round}");
        let busy = answers.iter().filter(|(_, answer)| *answer == Claiming::Busy).count();
        assert_eq!(busy, RACE - 1, "round {round}");
        assert!(released(fixture, connection, done[0].0, Outcome::Unknown).await, "whoever was told has it");
    }
}

async fn of_many_that_forget_it_one_does(fixture: &Fixture) {
    let alice = fixture.linker("alice@example.com").await;
    let connection = fixture.connected(&alice, "alice").await.connection;
    fixture.ended(&connection).await;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let (claim, grant) = (Claim::draw(at, fixture.entropy()), ending(&connection));
            async move {
                match stores.claims.claim_ended(&grant, claim, at).await.unwrap() {
                    Claiming::Done(_) => {
                        Some(stores.claims.forget(&grant, claim, Forgotten::Revoked, at).await.unwrap())
                    }
                    Claiming::Busy | Claiming::Gone => None,
                }
            }
        })
        .await;
    assert_eq!(count(&answers, &Some(true)), 1);
    assert_eq!(count(&answers, &None), RACE - 1);
    assert_eq!(fixture.told().await, ["calendar.forgotten"]);
    let again = NewConnection { id: connection.id, ..fixture.new_connection(&alice, "alice") };
    assert_eq!(fixture.connect(&alice, again).await, Connecting::Done);
}
