//! Temporary tokens and sessions.

use super::{
    cases,
    fixture::{
        ALL, Fixture, RACE, chatbot, count, everything, granted, hub, name, once, page, scope_of, unbounded,
    },
};
use auth_core::{
    model::{Domain, KeyPatch, NewToken, Set, Status, Token},
    policy::Scope,
    port::{
        About, Change, ChangeKey, Creation, FoundToken, MOST_OPENED, MintToken, Notice, OpenSession,
        RevokeKey, RevokeToken, SuspendAccount, SuspendDomain,
    },
    principal::TokenKind,
    secret::TokenDigest,
};
use std::{collections::HashSet, time::Duration};

cases! {
    "tokens":
    one_opening_finds_what_another_minted,
    a_scope_holds_what_is_its_own,
    lists_are_of_one_kind_newest_first_and_pages_neither_repeat_nor_leave_out,
    nothing_is_minted_or_opened_behind_an_ended_parent,
    a_token_ends_with_its_parent_its_domain_and_its_account,
    revoking_is_terminal,
    revoking_a_token_ends_and_announces_the_sessions_that_it_opened,
    sessions_that_a_fast_clock_takes_for_over_end_with_their_token,
    a_token_ends_with_however_many_sessions_it_ever_opened,
    a_token_opens_so_many_sessions_and_no_more,
    nothing_is_opened_with_a_token_that_is_not_live,
    nothing_is_minted_or_opened_for_a_suspended_domain_or_account,
    a_token_ends_no_later_than_its_key_whenever_that_is_set,
    what_is_opened_while_its_token_ends_has_ended,
    tokens_that_ended_are_forgotten_on_purge_and_no_others,
    more_tokens_than_a_batch_are_forgotten_with_their_sessions,
    a_repeated_request_is_answered_as_the_first_for_a_day,
    one_request_sent_many_times_mints_one_token,
    of_many_revocations_one_revokes,
    what_is_minted_while_its_parent_ends_has_ended,
}

async fn found(fixture: &Fixture, digest: &TokenDigest) -> Option<FoundToken> {
    fixture.peer.tokens.find(digest).await.unwrap()
}

async fn ended(fixture: &Fixture, token: &NewToken) -> bool {
    found(fixture, &token.digest).await.unwrap().ended
}

async fn read(fixture: &Fixture, token: &NewToken) -> Option<Token> {
    fixture.peer.tokens.read(everything(), token.id).await.unwrap()
}

async fn open(fixture: &Fixture, domain: &Domain, new: NewToken) -> Creation {
    fixture.stores.tokens.open(&granted::<OpenSession>(domain), new).await.unwrap()
}

async fn mint(fixture: &Fixture, domain: &Domain, new: NewToken) -> Creation {
    fixture.stores.tokens.mint(&granted::<MintToken>(&chatbot(domain)), new, None).await.unwrap()
}

async fn one_opening_finds_what_another_minted(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let parent = fixture.key(chatbot(&domain)).await.0.id;
    fixture.look_away().await;
    for (kind, parent, action) in [
        (TokenKind::Temp, Some(parent), "token.minted"),
        (TokenKind::Widget, None, "session.opened"),
        (TokenKind::Chat, Some(parent), "session.opened"),
    ] {
        let new = fixture.new_token(kind, parent);
        let made = match kind {
            TokenKind::Temp => mint(fixture, &domain, new.clone()).await,
            TokenKind::Widget | TokenKind::Chat => open(fixture, &domain, new.clone()).await,
        };
        assert_eq!(made, Creation::Done(()));
        assert_eq!(fixture.told().await, [action]);
        let wanted = Token {
            id: new.id,
            kind,
            account: domain.account,
            domain: domain.id,
            domain_name: domain.name.clone(),
            parent,
            opened_by: None,
            username: name("alice"),
            language: new.language,
            created_at: new.at,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let principal = wanted.principal();
        let tokens = &fixture.peer.tokens;
        assert_eq!(found(fixture, &new.digest).await, Some(FoundToken { principal, ended: false }));
        assert_eq!(tokens.read(everything(), new.id).await.unwrap().as_ref(), Some(&wanted));
        assert_eq!(tokens.by_digest(everything(), &new.digest).await.unwrap(), Some(wanted));
    }
    assert_eq!(found(fixture, &TokenDigest::of("nobody's")).await, None);
}

async fn a_scope_holds_what_is_its_own(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let domains = [fixture.domain(&own).await, fixture.domain(&own).await, fixture.domain(&other).await];
    let mut tokens = Vec::new();
    for domain in &domains {
        tokens.push(fixture.token(domain, None).await);
    }
    for (scope, seen) in [
        (scope_of(hub(&own)), vec![1, 0]),
        (scope_of(chatbot(&domains[0])), vec![0]),
        (scope_of(chatbot(&domains[2])), vec![2]),
        (Scope::of(None), vec![]),
    ] {
        let listed = fixture.peer.tokens.list(TokenKind::Temp, scope, ALL).await.unwrap();
        let wanted: Vec<_> = seen.iter().map(|at| tokens[*at].id).collect();
        assert_eq!(listed.iter().map(|token| token.id).collect::<Vec<_>>(), wanted);
        for (at, token) in tokens.iter().enumerate() {
            let read = fixture.peer.tokens.read(scope, token.id).await.unwrap();
            let by_digest = fixture.peer.tokens.by_digest(scope, &token.digest).await.unwrap();
            assert_eq!((read.is_some(), by_digest.is_some()), (seen.contains(&at), seen.contains(&at)));
        }
    }
}

async fn lists_are_of_one_kind_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, fixture.token(&domain, None).await.id);
        open(fixture, &domain, fixture.new_token(TokenKind::Widget, None)).await;
    }
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let scope = scope_of(chatbot(&domain));
        let part = fixture.peer.tokens.list(TokenKind::Temp, scope, page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part.iter().map(|token| token.id));
    }
    assert_eq!(paged, made);
}

async fn nothing_is_minted_or_opened_behind_an_ended_parent(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let parent = fixture.key(chatbot(&domain)).await.0;
    fixture.stores.keys.revoke(&granted::<RevokeKey>(&parent), fixture.at()).await.unwrap();
    fixture.look_away().await;
    let temp = fixture.new_token(TokenKind::Temp, Some(parent.id));
    let chat = fixture.new_token(TokenKind::Chat, Some(parent.id));
    assert_eq!(mint(fixture, &domain, temp.clone()).await, Creation::Stale);
    assert_eq!(open(fixture, &domain, chat.clone()).await, Creation::Stale);
    fixture.assert_silent("its parent was ended").await;
    for token in [temp, chat] {
        assert_eq!((read(fixture, &token).await, found(fixture, &token.digest).await), (None, None));
    }
}

async fn a_token_ends_with_its_parent_its_domain_and_its_account(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let parent = fixture.key(chatbot(&domain)).await.0;
    let child = fixture.token(&domain, Some(parent.id)).await;
    let orphan = fixture.token(&domain, None).await;
    let elsewhere = fixture.token(&fixture.domain(&account).await, None).await;
    let all = async || {
        [ended(fixture, &child).await, ended(fixture, &orphan).await, ended(fixture, &elsewhere).await]
    };
    let account_to = async |status| {
        let grant = granted::<SuspendAccount>(&account);
        fixture.stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    let domain_to = async |status| {
        let grant = granted::<SuspendDomain>(&domain);
        fixture.stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    assert_eq!(all().await, [false, false, false]);
    domain_to(Status::Suspended).await;
    assert_eq!(all().await, [true, true, false]);
    account_to(Status::Suspended).await;
    assert_eq!(all().await, [true, true, true]);
    domain_to(Status::Active).await;
    assert_eq!(all().await, [true, true, true], "the account is still suspended");
    account_to(Status::Active).await;
    assert_eq!(all().await, [false, false, false]);
    fixture.stores.keys.revoke(&granted::<RevokeKey>(&parent), fixture.at()).await.unwrap();
    assert_eq!(all().await, [true, false, false]);
}

async fn revoking_is_terminal(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let (new, other) = (fixture.token(&domain, None).await, fixture.token(&domain, None).await);
    let token = read(fixture, &new).await.unwrap();
    fixture.look_away().await;
    let (grant, at) = (granted::<RevokeToken>(&token), fixture.at());
    let seq = fixture.stores.tokens.revoke(&grant, at).await.unwrap().unwrap();
    assert_eq!(fixture.told().await, ["token.revoked"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::Token(token.id), ended: true }]);
    let revoked = Token { revoked_at: Some(at), ..token };
    assert_eq!(read(fixture, &new).await.as_ref(), Some(&revoked));
    assert_eq!((ended(fixture, &new).await, ended(fixture, &other).await), (true, false));
    assert_eq!(fixture.peer.tokens.revoke(&grant, fixture.at()).await.unwrap(), None);
    fixture.assert_silent("it was revoked").await;
    assert_eq!(read(fixture, &new).await, Some(revoked), "the first time stands");
}

async fn revoking_a_token_ends_and_announces_the_sessions_that_it_opened(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let parent = fixture.key(chatbot(&domain)).await.0.id;
    let (opener, other) =
        (fixture.token(&domain, Some(parent)).await, fixture.token(&domain, Some(parent)).await);
    let chats = [fixture.new_chat(&opener), fixture.new_chat(&opener), fixture.new_chat(&other)];
    for chat in &chats {
        assert_eq!(open(fixture, &domain, chat.clone()).await, Creation::Done(()));
        assert_eq!(read(fixture, chat).await.unwrap().opened_by, chat.opened_by);
    }
    let [first, second, foreign] = &chats;
    let first_read = read(fixture, first).await.unwrap();
    fixture.stores.tokens.revoke(&granted::<RevokeToken>(&first_read), fixture.at()).await.unwrap();
    assert!(!ended(fixture, &opener).await, "a session's end is not its token's");
    fixture.look_away().await;
    let (token, at) = (read(fixture, &opener).await.unwrap(), fixture.at());
    let seq = fixture.stores.tokens.revoke(&granted::<RevokeToken>(&token), at).await.unwrap().unwrap();
    assert_eq!(fixture.told().await, ["token.revoked"]);
    let announced = fixture.announced().await;
    assert_eq!(announced.last().map(|notice| notice.seq), Some(seq), "all are settled with the last one");
    let about: Vec<_> = announced.iter().map(|notice| (notice.about, notice.ended)).collect();
    assert_eq!(about, [(About::Token(opener.id), true), (About::Token(second.id), true)]);
    for (token, wanted) in [(&opener, true), (first, true), (second, true), (&other, false), (foreign, false)]
    {
        assert_eq!(ended(fixture, token).await, wanted);
    }
    assert_eq!(read(fixture, second).await.unwrap().revoked_at, Some(at));
    assert_eq!(read(fixture, first).await.unwrap().revoked_at.map(|first| first < at), Some(true));
}

async fn sessions_that_a_fast_clock_takes_for_over_end_with_their_token(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let opener = fixture.token(&domain, None).await;
    let chat = fixture.new_chat(&opener);
    assert_eq!(open(fixture, &domain, chat.clone()).await, Creation::Done(()));
    let token = read(fixture, &opener).await.unwrap();
    fixture.look_away().await;
    let ahead = chat.expires_at + Duration::from_secs(1);
    fixture.stores.tokens.revoke(&granted::<RevokeToken>(&token), ahead).await.unwrap().unwrap();
    assert_eq!(fixture.announced().await.len(), 2);
    assert!(ended(fixture, &chat).await, "and stays so when the clock steps back");
}

async fn a_token_ends_with_however_many_sessions_it_ever_opened(fixture: &Fixture) {
    const OPENED: usize = 20_000;
    let domain = fixture.domain(&fixture.account().await).await;
    let opener = fixture.token(&domain, None).await;
    let chat = fixture.new_chat(&opener);
    assert_eq!(open(fixture, &domain, chat.clone()).await, Creation::Done(()));
    let place = fixture.place.as_ref().unwrap();
    let columns = "kind, domain_id, opened_by, username, created_at, expires_at";
    for first in (0..OPENED).step_by(1000) {
        let row = |number: usize| format!("({})", place.bytes(&format!("{number:064x}")));
        let rows = (first..first + 1000).map(row).collect::<Vec<_>>().join(",");
        place
            .execute(&format!(
                "INSERT INTO tokens (id, digest, {columns}) \
                 SELECT substr(made.column1, 17), made.column1, {columns} FROM (VALUES {rows}) AS made, \
                 (SELECT {columns} FROM tokens WHERE opened_by IS NOT NULL ORDER BY id DESC LIMIT 1) AS like_this"
            ))
            .await;
    }
    let token = read(fixture, &opener).await.unwrap();
    fixture.look_away().await;
    let at = fixture.at();
    let last = fixture.stores.tokens.revoke(&granted::<RevokeToken>(&token), at).await.unwrap().unwrap();
    let mut announced = Vec::new();
    loop {
        let some = fixture.announced().await;
        if some.is_empty() {
            break;
        }
        announced.extend(some);
    }
    assert!(announced.is_sorted_by(|one, next| one.seq.0 + 1 == next.seq.0), "no number is missing");
    assert_eq!(announced.last().map(|notice| notice.seq), Some(last));
    assert!(announced.iter().all(|notice| notice.ended));
    let about: HashSet<_> = announced.iter().map(|notice| notice.about).collect();
    assert_eq!((announced.len(), about.len()), (OPENED + 2, OPENED + 2), "each once");
    assert!(about.contains(&About::Token(chat.id)) && about.contains(&About::Token(opener.id)));
    assert!(ended(fixture, &chat).await);
    assert_eq!(place.query("SELECT 'live' FROM tokens WHERE revoked_at IS NULL").await, [""; 0]);
}

async fn a_token_opens_so_many_sessions_and_no_more(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let (opener, other) = (fixture.token(&domain, None).await, fixture.token(&domain, None).await);
    let soonest =
        NewToken { expires_at: fixture.at() + Duration::from_secs(60), ..fixture.new_chat(&opener) };
    assert_eq!(open(fixture, &domain, soonest.clone()).await, Creation::Done(()));
    let full = Creation::Full(soonest.expires_at);
    let answers = fixture
        .race(usize::from(MOST_OPENED) + 99, |_, stores| {
            let (grant, new) = (granted::<OpenSession>(&domain), fixture.new_chat(&opener));
            async move { stores.tokens.open(&grant, new).await.unwrap() }
        })
        .await;
    let (opened, refused) = (count(&answers, &Creation::Done(())), count(&answers, &full));
    assert_eq!((opened, refused), (usize::from(MOST_OPENED) - 1, 100));
    fixture.look_away().await;
    let one_more = fixture.new_chat(&opener);
    assert_eq!(open(fixture, &domain, one_more.clone()).await, full);
    assert_eq!(read(fixture, &one_more).await, None);
    fixture.assert_silent("there are as many as may be").await;
    assert_eq!(open(fixture, &domain, fixture.new_chat(&other)).await, Creation::Done(()));
    assert_eq!(open(fixture, &domain, fixture.new_token(TokenKind::Widget, None)).await, Creation::Done(()));
    let first = read(fixture, &soonest).await.unwrap();
    fixture.stores.tokens.revoke(&granted::<RevokeToken>(&first), fixture.at()).await.unwrap();
    assert_eq!(open(fixture, &domain, fixture.new_chat(&opener)).await, Creation::Done(()), "one ended");
    assert!(matches!(open(fixture, &domain, fixture.new_chat(&opener)).await, Creation::Full(_)));
}

async fn nothing_is_opened_with_a_token_that_is_not_live(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let revoked = fixture.token(&domain, None).await;
    let token = read(fixture, &revoked).await.unwrap();
    fixture.stores.tokens.revoke(&granted::<RevokeToken>(&token), fixture.at()).await.unwrap();
    let over = fixture.token(&domain, None).await;
    let foreign = fixture.token(&fixture.domain(&account).await, None).await;
    let session = fixture.new_token(TokenKind::Widget, None);
    assert_eq!(open(fixture, &domain, session.clone()).await, Creation::Done(()));
    let unknown = fixture.new_token(TokenKind::Temp, None);
    fixture.look_away().await;
    for opener in [&revoked, &foreign, &session, &unknown] {
        assert_eq!(open(fixture, &domain, fixture.new_chat(opener)).await, Creation::Stale);
    }
    fixture.pass(over.expires_at.since(over.at));
    assert_eq!(open(fixture, &domain, fixture.new_chat(&over)).await, Creation::Stale);
    fixture.assert_silent("what would open them is not live").await;
}

async fn nothing_is_minted_or_opened_for_a_suspended_domain_or_account(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let try_both = async |wanted: Creation| {
        let (temp, widget) =
            (fixture.new_token(TokenKind::Temp, None), fixture.new_token(TokenKind::Widget, None));
        assert_eq!(mint(fixture, &domain, temp).await, wanted);
        assert_eq!(open(fixture, &domain, widget).await, wanted);
    };
    for status in [Status::Suspended, Status::Active] {
        let wanted = if status == Status::Active { Creation::Done(()) } else { Creation::Stale };
        let grant = granted::<SuspendAccount>(&account);
        fixture.stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
        try_both(wanted.clone()).await;
        let grant = granted::<SuspendDomain>(&domain);
        fixture.stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
        try_both(wanted).await;
        if status == Status::Suspended {
            let grant = granted::<SuspendAccount>(&account);
            fixture.stores.accounts.set_status(&grant, Status::Active, fixture.at()).await.unwrap();
            try_both(Creation::Stale).await;
            let grant = granted::<SuspendDomain>(&domain);
            fixture.stores.domains.set_status(&grant, Status::Active, fixture.at()).await.unwrap();
        }
    }
}

async fn a_token_ends_no_later_than_its_key_whenever_that_is_set(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let key = fixture.key(chatbot(&domain)).await.0;
    let token = fixture.token(&domain, Some(key.id)).await;
    let end = token.at + Duration::from_secs(60);
    let patch = KeyPatch { expires_at: Set::To(Some(end)), ..KeyPatch::default() };
    let rights = unbounded(patch.over(&key.rights));
    let grant = granted::<ChangeKey>(&key);
    let changed = fixture.stores.keys.change(&grant, key.version, patch, rights, fixture.at()).await.unwrap();
    assert!(matches!(changed, Change::Done(_)), "{changed:?}");
    assert_eq!(found(fixture, &token.digest).await.unwrap().principal.expires_at, end);
    assert_eq!(read(fixture, &token).await.unwrap().expires_at, end);
    fixture.pass(Duration::from_secs(60));
    let temp = fixture.new_token(TokenKind::Temp, Some(key.id));
    assert_eq!(mint(fixture, &domain, temp).await, Creation::Stale, "its key is over");
}

async fn what_is_opened_while_its_token_ends_has_ended(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let opener = fixture.token(&domain, None).await;
    let token = read(fixture, &opener).await.unwrap();
    let chats: Vec<_> = (0..300).map(|_| fixture.new_chat(&opener)).collect();
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race_to_the_end(chats.len(), |number, stores| {
            let (open, end) = (granted::<OpenSession>(&domain), granted::<RevokeToken>(&token));
            let new = chats[number].clone();
            async move {
                if number == 150 {
                    stores.tokens.revoke(&end, at).await.unwrap();
                    return Creation::Stale;
                }
                stores.tokens.open(&open, new).await.unwrap()
            }
        })
        .await;
    for (chat, answer) in chats.iter().zip(&answers) {
        let found = found(fixture, &chat.digest).await;
        assert_eq!(found.map(|found| found.ended), (*answer == Creation::Done(())).then_some(true));
    }
    let opened = count(&answers, &Creation::Done(()));
    assert!(opened > 0, "the race was lost before it began");
    assert_eq!((fixture.told().await.len(), fixture.announced().await.len()), (opened + 1, opened + 1));
}

async fn more_tokens_than_a_batch_are_forgotten_with_their_sessions(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let mut last = fixture.token(&domain, None).await;
    for _ in 0..3 {
        let chat = NewToken { expires_at: last.expires_at, ..fixture.new_chat(&last) };
        open(fixture, &domain, chat).await;
    }
    fixture
        .race(1200, |_, stores| {
            let grant = granted::<MintToken>(&chatbot(&domain));
            let new = fixture.new_token(TokenKind::Temp, None);
            async move { stores.tokens.mint(&grant, new, None).await.unwrap() }
        })
        .await;
    last = fixture.token(&domain, None).await;
    assert_eq!(fixture.stores.tokens.purge(last.expires_at).await.unwrap(), 1204);
    for kind in TokenKind::ALL {
        let left = fixture.peer.tokens.list(kind, everything(), ALL).await.unwrap();
        assert_eq!(left.len(), usize::from(kind == TokenKind::Temp), "{kind:?}");
    }
}

async fn tokens_that_ended_are_forgotten_on_purge_and_no_others(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let (early, late) = (fixture.token(&domain, None).await, fixture.token(&domain, None).await);
    fixture.look_away().await;
    assert_eq!(fixture.stores.tokens.purge(early.expires_at).await.unwrap(), 0, "not before its end");
    assert_eq!(fixture.stores.tokens.purge(late.expires_at).await.unwrap(), 1);
    assert_eq!((read(fixture, &early).await, found(fixture, &early.digest).await), (None, None));
    assert!(read(fixture, &late).await.is_some());
    assert_eq!(fixture.peer.tokens.purge(late.expires_at).await.unwrap(), 0);
    fixture.assert_silent("a purge").await;
}

async fn a_repeated_request_is_answered_as_the_first_for_a_day(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let grant = granted::<MintToken>(&chatbot(&domain));
    fixture.look_away().await;
    let ask = async |body: &str, answer: &str| {
        let (new, once) = (fixture.new_token(TokenKind::Temp, None), once("request", body, answer));
        fixture.peer.tokens.mint(&grant, new, Some(once)).await.unwrap()
    };
    assert_eq!(ask("a", "first").await, Creation::Done(()));
    assert_eq!(fixture.told().await, ["token.minted"]);
    assert_eq!(ask("a", "second").await, Creation::Repeated("first".to_owned()));
    assert_eq!(ask("b", "third").await, Creation::Mismatched);
    fixture.assert_silent("a repeated request").await;
    fixture.pass(Duration::from_secs(24 * 3600));
    assert_eq!(ask("b", "fourth").await, Creation::Done(()), "forgotten after a day");
}

async fn one_request_sent_many_times_mints_one_token(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = granted::<MintToken>(&chatbot(&domain));
            let new = fixture.new_token(TokenKind::Temp, None);
            let once = once("request", "body", &new.id.to_string());
            async move { stores.tokens.mint(&grant, new, Some(once)).await.unwrap() }
        })
        .await;
    let made = fixture.peer.tokens.list(TokenKind::Temp, everything(), ALL).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(count(&answers, &Creation::Done(())), 1);
    assert_eq!(count(&answers, &Creation::Repeated(made[0].id.to_string())), RACE - 1);
    assert_eq!(fixture.told().await, ["token.minted"]);
}

async fn of_many_revocations_one_revokes(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let new = fixture.token(&domain, None).await;
    let token = read(fixture, &new).await.unwrap();
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = granted::<RevokeToken>(&token);
            async move { stores.tokens.revoke(&grant, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &None), RACE - 1);
    assert_eq!((fixture.told().await.len(), fixture.announced().await.len()), (1, 1));
}

async fn what_is_minted_while_its_parent_ends_has_ended(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let parent = fixture.key(chatbot(&domain)).await.0;
    let tokens: Vec<_> = (0..RACE).map(|_| fixture.new_token(TokenKind::Temp, Some(parent.id))).collect();
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race_to_the_end(RACE, |number, stores| {
            let (mint, end) = (granted::<MintToken>(&chatbot(&domain)), granted::<RevokeKey>(&parent));
            let new = tokens[number].clone();
            async move {
                if number == 150 {
                    stores.keys.revoke(&end, at).await.unwrap();
                    return Creation::Stale;
                }
                stores.tokens.mint(&mint, new, None).await.unwrap()
            }
        })
        .await;
    for (token, answer) in tokens.iter().zip(&answers) {
        let found = found(fixture, &token.digest).await;
        assert_eq!(found.map(|found| found.ended), (*answer == Creation::Done(())).then_some(true));
    }
    let minted = count(&answers, &Creation::Done(()));
    assert!(minted > 0, "the race was lost before it began");
    assert_eq!(fixture.told().await.len(), minted + 1);
}
