//! No secret is seen again: not in an answer, a list or an audit event. That none is logged or stored is tested with
//! the program itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{secret::TokenDigest, service::Service};
use auth_web::{Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::{
    caller::{Kind, request},
    client::{Request, Response},
    world::{Holdings, World},
};
use hub_service::Hub;
use std::sync::Arc;

/// What the first tenant holds that nobody may see again.
fn held(holdings: &Holdings) -> Vec<String> {
    let Holdings { hub_key, domain_key, idle_key, temp, widget, chat, .. } = holdings;
    let secrets = [hub_key, domain_key, &idle_key.0, &temp.0, &widget.0, chat].map(Clone::clone);
    assert!(secrets.iter().all(|secret| secret.len() >= 36), "{secrets:?}");
    secrets.into()
}

/// The secret parts of texts: what is left where a prefix or an end is cut off.
fn parts(secrets: &[String]) -> Vec<String> {
    secrets.iter().map(|secret| secret.get(13..33).unwrap().to_owned()).collect()
}

/// The texts of digests, as a store or a log might write them.
fn digests(secrets: &[String]) -> Vec<String> {
    let digests = secrets.iter().map(|secret| *TokenDigest::of(secret).as_bytes());
    digests
        .flat_map(|digest| {
            [data_encoding::HEXLOWER, data_encoding::BASE64].map(|as_text| as_text.encode(&digest))
        })
        .collect()
}

/// Sends every row's example as it should be sent, and with each secret where it does not belong.
async fn answers<S: WebService>(world: &World, secrets: &[String]) -> Vec<(&'static str, Response)> {
    let mut answers = Vec::new();
    // What ends others comes last.
    let mut rows: Vec<&Row<S>> = S::TABLE.rows().iter().collect();
    rows.sort_by_key(|row| row.spec.method == auth_web::Method::Delete);
    for row in rows {
        let kind = Kind::of_row(row).first().copied();
        let own = kind.map(|kind| kind.of(&world.a, S::KIND));
        let mut requests = vec![request(row, &world.a, own.as_deref())];
        for secret in secrets {
            let misplaced =
                |request: Request| request.header("X-Request-Id", secret).header("Origin", secret);
            requests.push(misplaced(request(row, &world.b, Some(secret))));
            let own = request(row, &world.b, kind.map(|kind| kind.of(&world.b, S::KIND)).as_deref());
            let sign = if own.target.contains('?') { '&' } else { '?' };
            requests.push(Request { target: format!("{}{sign}key={secret}", own.target), ..own.clone() });
            if let Some((start, _)) = row.spec.path.split_once('{') {
                requests.push(Request { target: format!("{start}{secret}"), ..own.clone() });
            }
            requests.push(own.header("Idempotency-Key", secret));
        }
        for request in requests {
            answers.push((row.spec.id, request.send(world.address(S::KIND)).await.unwrap()));
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_an_answer_or_an_event() {
    let world = World::start().await;
    let secrets = held(&world.a);
    let hidden = [parts(&secrets), digests(&secrets)].concat();
    let shows = |text: &str| hidden.iter().any(|part| text.contains(part.as_str()));
    assert!(secrets.iter().all(|secret| shows(secret)), "what is looked for would be found");
    let answers =
        [answers::<Hub>(&world, &secrets).await, answers::<Chatbot>(&world, &secrets).await].concat();
    let good = answers.iter().filter(|(_, answer)| answer.status < 300).count();
    assert!(good > 40, "{good} of {} were taken", answers.len());
    for (id, answer) in &answers {
        let head: String = answer.headers.iter().map(|(_, value)| format!("{value}\n")).collect();
        assert!(!shows(&answer.body) && !shows(&head), "{id} shows a secret: {answer:?}");
    }
    // What all that left in the lists of the one whose secrets they are.
    for (service, lists) in [
        (Service::Hub, &["/api-keys", "/calls", "/audit/events"][..]),
        (Service::Chatbot, &["/auth/api/v1/tokens", "/audit/events"]),
    ] {
        for list in lists {
            let target = format!("{list}?limit=200");
            let ask = Request::get(&target).bearer(&Kind::Key.of(&world.a, service));
            let listed = ask.send(world.address(service)).await.unwrap();
            assert!(listed.status == 200 && !shows(&listed.body), "{list}: {}", listed.body);
        }
    }
    // Refusals are written by the end at the latest.
    let audit = Arc::clone(&world.stores.audit);
    world.end().await;
    let events = audit.scan(1, u16::MAX).await.unwrap();
    assert!(events.iter().filter(|found| found.entry.event.contains("request.refused")).count() > 20);
    assert!(!events.iter().any(|found| shows(&format!("{:?}", found.entry))), "an event shows a secret");
}
