//! What fails inside a transaction leaves nothing of it, and what is not known everywhere is not told as done.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::service::Service;
use auth_web::{Service as WebService, endpoint::Row};
use chatbot_service::{Chatbot, responder::Responder};
use conformance::place::changes;
use conformance::{
    caller::{Kind, request, wrong_form},
    client::Request,
    faults::Faults,
    world::World,
};
use hub_service::Hub;

/// Tables that a command may write, and how.
const WRITTEN: &[(&str, &str)] = &[
    ("accounts", "INSERT"),
    ("accounts", "UPDATE"),
    ("users", "INSERT"),
    ("users", "UPDATE"),
    ("users", "DELETE"),
    ("authorizations", "INSERT"),
    ("authorizations", "DELETE"),
    ("connections", "INSERT"),
    ("connections", "UPDATE"),
    ("connections", "DELETE"),
    ("keys", "INSERT"),
    ("keys", "UPDATE"),
    ("key_secrets", "INSERT"),
    ("key_secrets", "UPDATE"),
    ("tokens", "INSERT"),
    ("tokens", "UPDATE"),
    ("attempts", "INSERT"),
    ("people", "INSERT"),
    ("people", "UPDATE"),
    ("people", "DELETE"),
    ("domains", "INSERT"),
    ("domains", "UPDATE"),
    ("members", "INSERT"),
    ("members", "UPDATE"),
    ("members", "DELETE"),
    ("applicants", "DELETE"),
    ("sessions", "INSERT"),
    ("sessions", "UPDATE"),
    ("sessions", "DELETE"),
    ("totp", "INSERT"),
    ("totp", "UPDATE"),
    ("totp", "DELETE"),
    ("passkeys", "INSERT"),
    ("passkeys", "UPDATE"),
    ("passkeys", "DELETE"),
    ("recovery_codes", "INSERT"),
    ("recovery_codes", "DELETE"),
    ("calls", "INSERT"),
    ("calls", "UPDATE"),
    ("requests_once", "INSERT"),
    ("notices", "INSERT"),
    ("notice_head", "UPDATE"),
    ("audit_events", "INSERT"),
    ("audit_head", "UPDATE"),
];

/// Routes that do more than one command, since a provider is asked between: `calendar_states` and `calendar_faults` say
/// what is left of each where it breaks off.
pub(crate) const IN_STEPS: [&str; 2] = ["oauth_callback", "calendar_disconnect"];

fn example<S: WebService>(row: &Row<S>, world: &World) -> Request {
    let kind = Kind::of_row(row).first().copied();
    let sent = request(row, &world.a, kind.map(|kind| kind.of(&world.a, S::KIND)).as_deref());
    if row.spec.method.name() == "POST" { sent.header("Idempotency-Key", "half-done") } else { sent }
}

/// The writes that a row's example makes.
pub(crate) async fn writes_of<S: WebService>(row: &Row<S>) -> Vec<(&'static str, &'static str)> {
    let world = World::start().await;
    world.place.note_writes(WRITTEN).await;
    let answer = example(row, &world).send(world.address(S::KIND)).await.unwrap();
    assert_eq!(answer.status, row.status, "{}: {}", row.spec.id, answer.body);
    let noted = world.place.noted().await;
    world.end().await;
    let made = |(table, write): &&(&str, &str)| noted.contains(&format!("{table} {write}"));
    WRITTEN.iter().filter(made).copied().collect()
}

/// Sends a row's example while one kind of write that it makes fails behind it, each in a world of its own; how many there
/// are.
async fn with_failing_writes<S: WebService>(row: &Row<S>) -> usize {
    let writes = writes_of(row).await;
    for ours in [("audit_events", "INSERT"), ("audit_head", "UPDATE")] {
        assert!(writes.contains(&ours), "{}: every command has an event: {writes:?}", row.spec.id);
    }
    for (table, write) in &writes {
        let mut world = World::start().await;
        let sent = example(row, &world);
        let before = world.dump().await;
        let why = format!("{} with a failing {write} of {table}", row.spec.id);
        // After the row was written: what was done must be undone.
        world.place.break_writes(write, table).await;
        let answer = sent.send(world.address(S::KIND)).await.unwrap();
        world.place.mend_writes(table).await;
        assert_eq!(wrong_form(&answer, S::KIND), [""; 0], "{why}: {}", answer.body);
        assert!(matches!(answer.status, 500 | 503), "{why}: {} {}", answer.status, answer.body);
        assert_eq!(changes(&before, &world.dump().await), [""; 0], "{why}");
        world.current().await;
        let again = if row.spec.body.contains("{passkey}") {
            world.challenge_anew().await;
            example(row, &world)
        } else {
            sent
        };
        let again = again.send(world.address(S::KIND)).await.unwrap();
        assert_eq!(again.status, row.status, "{why}, and then whole: {}", again.body);
        world.end().await;
    }
    writes.len()
}

async fn every_write<S: WebService>() {
    let mut rows = 0;
    let in_one = |row: &&Row<S>| row.spec.audit.is_some() && !IN_STEPS.contains(&row.spec.id);
    for row in S::TABLE.rows().iter().filter(in_one) {
        let failed = with_failing_writes(row).await;
        // A token that is there is written down, and nothing else.
        let least = if row.spec.id == "calendar_token" { 2 } else { 3 };
        assert!(failed >= least, "{} writes its own table and the trail: {failed}", row.spec.id);
        rows += 1;
    }
    assert!(rows >= 4, "{rows} rows write");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_inside_its_transaction_leaves_nothing_at_the_hub() {
    every_write::<Hub>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_inside_its_transaction_leaves_nothing_at_the_chatbot_service() {
    every_write::<Chatbot>().await;
}

/// Sends a row's example while nobody can say what other processes know; whether it asked.
async fn unsettled<S: WebService>(row: &Row<S>) -> bool {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let sent = example(row, &world);
    faults.fail(&["settled"]);
    let answer = sent.send(world.address(S::KIND)).await.unwrap();
    faults.recover();
    let asked = answer.status != row.status;
    if asked {
        assert_eq!(answer.status, 503, "{}: {}", row.spec.id, answer.body);
    }
    world.end().await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_processes_may_not_know_is_not_told_as_done() {
    let mut asked = Vec::new();
    for row in Hub::TABLE.rows().iter().filter(|row| row.spec.audit.is_some()) {
        if unsettled(row).await {
            asked.push((Service::Hub, row.spec.id));
        }
    }
    for row in Chatbot::TABLE.rows().iter().filter(|row| row.spec.audit.is_some()) {
        if unsettled(row).await {
            asked.push((Service::Chatbot, row.spec.id));
        }
    }
    let expected =
        ["api_key_create", "api_key_change", "api_key_rotate", "api_key_revoke"].map(|id| (Service::Hub, id));
    let of_chatbot = [
        "token_revoke",
        "mfa_step_up",
        "mfa_totp_confirm",
        "mfa_totp_remove",
        "mfa_webauthn_register_finish",
        "mfa_webauthn_remove",
        "logout",
        "logout_all",
        "session_end",
        "password_change",
        "domain_key_create",
        "domain_key_change",
        "domain_key_rotate",
        "domain_key_revoke",
        "member_role_change",
        "member_remove",
        "user_change",
        "user_remove",
        "revoke",
        "password_reset",
        "page_totp_confirm",
        "page_totp_remove",
        "page_passkey_confirm",
        "page_passkey_remove",
        "page_step_up",
        "page_session_end",
        "page_logout_all",
        "page_password",
        "page_logout",
    ];
    let expected = expected.into_iter().chain(of_chatbot.map(|id| (Service::Chatbot, id)));
    assert_eq!(asked, expected.collect::<Vec<_>>());
}
