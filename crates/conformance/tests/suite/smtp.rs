//! How letters are carried: by SMTP, beside the requests that ask for them, to servers that are well and that are not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    flow::{Asked, Logins},
    id::PersonId,
    jwt::{Issuer, SigningKeys},
    model::Address,
    port::{Content, Letter, Occasion, Post, Undelivered},
    secret::PlainToken,
    time::Timestamp,
};
use auth_web::system::OsEntropy;
use chatbot_service::{
    mail::{CARRIERS, LINE, Outbox, Page, Patience, Smtp},
    passwords::Pool,
};
use conformance::{
    mail_server::{MailServer, Manner},
    place::Place,
    world::{ISSUER, World, until},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

const HASTY: Patience = Patience { each: Duration::from_millis(200), pauses: [Duration::from_millis(1); 3] };

fn smtp(server: &MailServer) -> Smtp {
    let page = Page::parse("https://app.example.com/account", false).unwrap();
    Smtp::new(&server.url(), None, "Example <noreply@example.com>", page).unwrap()
}

fn letter(to: &str, content: Content) -> Letter {
    Letter { to: Address::parse(to).unwrap(), person: PersonId::from_bytes([1; 16]), content }
}

fn reset() -> Content {
    Content::Reset {
        token: PlainToken::new("avv_canary".to_owned()),
        expires_at: Timestamp::from_millis(1_800_000_000_000),
    }
}

fn outbox(world: &World, post: Arc<dyn Post>) -> Outbox {
    let keys = SigningKeys::new(Issuer::parse(ISSUER).unwrap(), Arc::new(Place::keyring()));
    let passwords = Arc::new(Pool::start(Arc::new(OsEntropy), 4).unwrap());
    let logins = Logins { keys: Arc::new(keys), passwords, verified_alone: false };
    Outbox::start(Some(post), &world.chatbot_platform, &logins, HASTY)
}

fn asked(address: &str) -> Asked {
    Asked { address: Address::parse(address).unwrap(), occasion: Occasion::Forgot, source: None }
}

#[tokio::test]
async fn a_letter_says_what_it_is_for_to_its_one_recipient() {
    let server = MailServer::start(Manner::Takes).await;
    let verify =
        Content::Verify { token: PlainToken::new("avv_other".to_owned()), expires_at: Timestamp::EPOCH };
    for (content, subject, link) in [
        (reset(), "Set another password", "https://app.example.com/account#reset=avv_canary"),
        (verify, "Confirm your address", "https://app.example.com/account#verify=avv_other"),
        (Content::Taken, "Somebody wanted to register with your address", ""),
    ] {
        smtp(&server).carry(&letter("alice@example.com", content)).await.unwrap();
        let message = server.messages().pop().unwrap();
        let (head, body) = message.split_once("\n\n").unwrap();
        for line in [
            "From: Example <noreply@example.com>",
            "To: alice@example.com",
            &format!("Subject: {subject}"),
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|one| one == line), "{line}: {head}");
        }
        assert!(head.contains("Date: ") && head.contains("Message-ID: "), "{head}");
        assert!(!head.contains("avv_"), "{head}");
        assert!(body.lines().any(|line| line == link) && body.is_ascii(), "{body}");
        assert_eq!(body.contains("avv_"), !link.is_empty(), "{body}");
    }
    let recipients = server.commands().into_iter().filter(|line| line.starts_with("RCPT"));
    assert_eq!(recipients.collect::<Vec<_>>(), ["RCPT TO:<alice@example.com>"; 3]);
    assert!(server.commands().contains(&"EHLO example.com".to_owned()));
}

/// What is an address to us is one recipient to a server, or none.
#[tokio::test]
async fn no_address_is_more_than_one_recipient_or_a_header() {
    let server = MailServer::start(Manner::Takes).await;
    for text in [
        "a..b@example.com",
        "a\\b@example.com",
        "a(b)@example.com",
        "a:b@example.com",
        "[a]@example.com",
        "a%b@example.com",
        "a+b@example.com",
        "a'b@example.com",
        "-a@example.com",
        "a=b?c@example.com",
        "alice@xn--bcher-kva.example",
    ] {
        let Ok(to) = Address::parse(text) else { continue };
        let before = server.messages().len();
        let carried = smtp(&server).carry(&letter(text, reset())).await;
        match carried {
            Ok(()) => {
                let message = server.messages().pop().unwrap();
                assert!(message.lines().any(|line| line == format!("To: {to}")), "{message}");
                assert!(server.commands().contains(&format!("RCPT TO:<{to}>")), "{to}");
            }
            Err(Undelivered::Refused(why)) => {
                assert!(!why.contains(to.as_str()), "{why}");
                assert_eq!(server.messages().len(), before);
            }
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_cuts_is_told_apart_from_one_that_cannot_now() {
    for (manner, expected) in [
        (
            Manner::Answers("550 no such user alice@example.com"),
            Undelivered::Refused("the server answered 550".to_owned()),
        ),
        (Manner::Answers("451 come back"), Undelivered::Later("the server answered 451".to_owned())),
    ] {
        let server = MailServer::start(manner).await;
        let carried = smtp(&server).carry(&letter("alice@example.com", reset())).await;
        assert_eq!(carried, Err(expected));
        assert!(server.messages().is_empty());
    }
    let server = MailServer::start(Manner::Cuts).await;
    let carried = smtp(&server).carry(&letter("alice@example.com", reset())).await;
    assert!(matches!(carried, Err(Undelivered::Later(_))), "{carried:?}");
    // Nobody listens there.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let page = Page::parse("https://app.example.com", false).unwrap();
    let nobody = Smtp::new(&format!("smtp://user:hunter2@{closed}"), None, "a@example.com", page).unwrap();
    let Err(Undelivered::Later(why)) = nobody.carry(&letter("alice@example.com", reset())).await else {
        panic!()
    };
    assert!(!why.contains("hunter2") && !why.contains("alice"), "{why}");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_where_tls_is_asked_for() {
    let server = MailServer::start(Manner::Takes).await;
    let page = Page::parse("https://app.example.com", false).unwrap();
    let url = server.url().replace("smtp://", "smtps://user:hunter2@");
    let secure = Smtp::new(&url, None, "a@example.com", page).unwrap();
    let carried = secure.carry(&letter("alice@example.com", reset())).await;
    let Err(Undelivered::Later(why)) = carried else { panic!("{carried:?}") };
    assert!(!why.contains("hunter2") && !why.contains("alice"), "{why}");
    assert_eq!((server.connections(), server.messages().len()), (1, 0));
    assert!(server.commands().iter().all(|line| !line.contains("EHLO") && !line.contains("AUTH")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_tried_as_often_as_it_may_be_taken_later() {
    let world = World::start().await;
    let email = world.a.person.email.clone();
    for (manner, tries) in [
        (Manner::Answers("451 come back"), 4),
        (Manner::Slow, 4),
        (Manner::Cuts, 4),
        (Manner::Answers("550 no"), 1),
    ] {
        let server = MailServer::start(manner).await;
        let outbox = outbox(&world, Arc::new(smtp(&server)));
        world.place.execute("DELETE FROM attempts").await;
        outbox.ask(asked(&email));
        until("it was tried", || server.connections() >= tries).await;
        // What comes after it is carried, and it is not tried any more then.
        server.set(Manner::Takes);
        let other = world.b.person.email.clone();
        outbox.ask(asked(&other));
        until("the next one arrives", || !server.messages().is_empty()).await;
        drop(outbox);
        until("it is given up", || server.connections() == tries + 1).await;
        assert!(
            server.messages().iter().all(|message| message.contains(&format!("To: {other}"))),
            "{manner:?}"
        );
    }
    world.end().await;
}

/// A post that does as it is told.
#[derive(Default)]
struct Stubborn {
    /// Answers that are given before letters are taken.
    first: Mutex<Vec<Undelivered>>,
    panics: AtomicUsize,
    held: Option<Semaphore>,
    met: AtomicUsize,
    taken: AtomicUsize,
}

#[async_trait::async_trait]
impl Post for Stubborn {
    async fn carry(&self, _: &Letter) -> Result<(), Undelivered> {
        self.met.fetch_add(1, Ordering::SeqCst);
        if let Some(held) = &self.held {
            drop(held.acquire().await);
        }
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(panics.is_err(), "canary");
        if let Some(answer) = self.first.lock().unwrap().pop() {
            return Err(answer);
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_taken_later_arrives_once() {
    let world = World::start().await;
    let later = || Undelivered::Later("not now".to_owned());
    let post =
        Arc::new(Stubborn { first: Mutex::new(vec![later(), later(), later()]), ..Stubborn::default() });
    let outbox = outbox(&world, Arc::clone(&post) as _);
    outbox.ask(asked(&world.a.person.email));
    drop(outbox);
    until("all is carried", || Arc::strong_count(&post) == 1).await;
    assert_eq!((post.met.load(Ordering::SeqCst), post.taken.load(Ordering::SeqCst)), (4, 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_letter_alone() {
    let world = World::start().await;
    let post = Arc::new(Stubborn { panics: AtomicUsize::new(CARRIERS + 1), ..Stubborn::default() });
    let outbox = outbox(&world, Arc::clone(&post) as _);
    for _ in 0..=CARRIERS {
        world.place.execute("DELETE FROM attempts").await;
        let before = post.met.load(Ordering::SeqCst);
        outbox.ask(asked(&world.a.person.email));
        until("it was tried", || post.met.load(Ordering::SeqCst) > before).await;
    }
    outbox.ask(asked(&world.b.person.email));
    until("the next one is carried", || post.taken.load(Ordering::SeqCst) == 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_many_wait_the_last_ones_are_dropped_and_nobody_waits() {
    let world = World::start().await;
    let post = Arc::new(Stubborn { held: Some(Semaphore::new(0)), ..Stubborn::default() });
    let keys = SigningKeys::new(Issuer::parse(ISSUER).unwrap(), Arc::new(Place::keyring()));
    let passwords = Arc::new(Pool::start(Arc::new(OsEntropy), 4).unwrap());
    let logins = Logins { keys: Arc::new(keys), passwords, verified_alone: false };
    let patience = Patience { each: Duration::from_secs(60), ..HASTY };
    let outbox = Outbox::start(Some(Arc::clone(&post) as _), &world.chatbot_platform, &logins, patience);
    let people = [&world.a.person, &world.b.person, &world.a.strong, &world.b.strong];
    assert_eq!(people.len(), CARRIERS);
    people.iter().for_each(|person| outbox.ask(asked(&person.email)));
    until("all carriers are under way", || post.met.load(Ordering::SeqCst) == CARRIERS).await;
    // None of these waits: there is nothing to wait for in it.
    (0..LINE + 10).for_each(|_| outbox.ask(asked("nobody@example.com")));
    assert_eq!(outbox.dropped(), 10);
    post.held.as_ref().unwrap().add_permits(CARRIERS);
    until("what was taken is carried", || post.taken.load(Ordering::SeqCst) == CARRIERS).await;
    drop(outbox);
    until("all is looked at", || Arc::strong_count(&post) == 1).await;
    assert_eq!(post.met.load(Ordering::SeqCst), CARRIERS, "nobody has that address");
    world.end().await;
}
