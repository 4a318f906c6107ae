//! Random sequences of commands, each answer compared with that of a small model in memory, on every backend.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod one_time;

use auth_core::{
    model::{
        Account, Domain, Key, KeyPatch, KeyUse, NewKey, NewToken, NewUser, Page, Set, Status, Token, User,
        UserPatch, Version,
    },
    policy::{Networks, Rights, Scope},
    port::{
        Change, ChangeKey, ChangeUser, CreateKey, CreateUser, Creation, FoundKey, FoundToken, Limits,
        MintToken, OpenSession, RemoveUser, RevokeKey, RevokeToken, RotateKey, Seq, SuspendAccount,
        SuspendDomain,
    },
    principal::{KeyPrincipal, TokenKind},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use conformance::{
    contract::{
        Fixture,
        fixture::{all_rights, chatbot, email, everything, granted, hub, once, scope_of, unbounded},
    },
    place::{Backend, Place},
    servers::{Postgres, Redis, unless_missing},
};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);

/// What is done. Objects are picked out of those that there are.
#[derive(Debug, Clone)]
enum Command {
    Account,
    Domain(Index),
    SetAccount(Index, bool),
    SetDomain(Index, bool),
    Key { home: Index, of_domain: bool, minutes: Option<u8> },
    ChangeKey { key: Index, stale: bool, minutes: Option<u8> },
    RotateKey { key: Index, stale: bool, overlap: u8 },
    RevokeKey(Index),
    FindKey(Index),
    UseKey { key: Index, times: u8, minutes_ago: u8 },
    Mint { domain: Index, parent: Option<Index>, minutes: u8 },
    Open { token: Index, minutes: u8 },
    RevokeToken(Index),
    FindToken(Index),
    Purge { minutes: u8 },
    User { account: Index, address: u8, repeated: Option<(u8, u8)> },
    ChangeUser { user: Index, address: u8, stale: bool },
    RemoveUser(Index),
    Lists { account: Index, limit: u8 },
    OneTime(one_time::Command),
    Pass { minutes: u16 },
}

fn command() -> impl Strategy<Value = Command> {
    use Command::*;
    let index = any::<Index>;
    let minutes = || prop::option::of(1..40_u8);
    prop_oneof![
        1 => Just(Account),
        2 => index().prop_map(Domain),
        1 => (index(), any::<bool>()).prop_map(|(of, active)| SetAccount(of, active)),
        1 => (index(), any::<bool>()).prop_map(|(of, active)| SetDomain(of, active)),
        4 => (index(), any::<bool>(), minutes())
            .prop_map(|(home, of_domain, minutes)| Key { home, of_domain, minutes }),
        2 => (index(), prop::bool::weighted(0.2), minutes())
            .prop_map(|(key, stale, minutes)| ChangeKey { key, stale, minutes }),
        3 => (index(), prop::bool::weighted(0.2), 0..20_u8)
            .prop_map(|(key, stale, overlap)| RotateKey { key, stale, overlap }),
        1 => index().prop_map(RevokeKey),
        6 => index().prop_map(FindKey),
        2 => (index(), any::<u8>(), 0..3_u8)
            .prop_map(|(key, times, minutes_ago)| UseKey { key, times, minutes_ago }),
        4 => (index(), prop::option::of(index()), 1..40_u8)
            .prop_map(|(domain, parent, minutes)| Mint { domain, parent, minutes }),
        3 => (index(), 1..40_u8).prop_map(|(token, minutes)| Open { token, minutes }),
        2 => index().prop_map(RevokeToken),
        6 => index().prop_map(FindToken),
        1 => (0..40_u8).prop_map(|minutes| Purge { minutes }),
        4 => (index(), 0..3_u8, prop::option::of((0..2_u8, 0..2_u8)))
            .prop_map(|(account, address, repeated)| User { account, address, repeated }),
        2 => (index(), 0..3_u8, prop::bool::weighted(0.2))
            .prop_map(|(user, address, stale)| ChangeUser { user, address, stale }),
        1 => index().prop_map(RemoveUser),
        2 => (index(), 1..4_u8).prop_map(|(account, limit)| Lists { account, limit }),
        6 => one_time::command().prop_map(OneTime),
        2 => (1..900_u16).prop_map(|minutes| Pass { minutes }),
    ]
}

/// What there should be. Each object is as it is read, with what the ports do not show beside it.
#[derive(Default)]
struct Model {
    accounts: Vec<Account>,
    domains: Vec<Domain>,
    keys: Vec<Key>,
    /// Digest, key, and when the secret ends.
    secrets: Vec<(TokenDigest, usize, Option<Timestamp>)>,
    tokens: Vec<MadeToken>,
    users: Vec<User>,
    one_times: one_time::Kept,
    /// Requests that were sent, with their bodies and times.
    requests: BTreeMap<u8, (u8, Timestamp)>,
    seq: i64,
    events: Vec<&'static str>,
}

#[derive(Clone)]
struct MadeToken {
    new: NewToken,
    domain: usize,
    parent: Option<usize>,
    revoked_at: Option<Timestamp>,
}

impl Model {
    fn announce(&mut self, notices: i64) -> Seq {
        self.seq += notices;
        Seq(self.seq)
    }

    fn is_active(&self, tenant: auth_core::principal::Tenant) -> bool {
        let account =
            self.accounts.iter().any(|one| one.id == tenant.account && one.status == Status::Active);
        let domain = |id| self.domains.iter().any(|one| one.id == id && one.status == Status::Active);
        account && tenant.domain.is_none_or(domain)
    }

    fn found_key(&self, secret: usize) -> FoundKey {
        let (_, key, ends) = self.secrets[secret];
        let key = &self.keys[key];
        FoundKey {
            principal: KeyPrincipal {
                id: key.id,
                service: key.service,
                tenant: key.tenant,
                permissions: key.rights.permissions,
                expires_at: [key.rights.expires_at, ends].into_iter().flatten().min(),
                version: key.version,
            },
            limits: Limits { networks: Networks::ANY, rate_limit: None },
            ended: key.revoked_at.is_some() || !self.is_active(key.tenant),
        }
    }

    fn token(&self, made: &MadeToken) -> Token {
        let domain = &self.domains[made.domain];
        let key_ends = made.parent.and_then(|key| self.keys[key].rights.expires_at);
        Token {
            id: made.new.id,
            kind: made.new.kind,
            account: domain.account,
            domain: domain.id,
            domain_name: domain.name.clone(),
            parent: made.new.parent,
            opened_by: made.new.opened_by,
            username: made.new.username.clone(),
            language: made.new.language.clone(),
            created_at: made.new.at,
            expires_at: key_ends.map_or(made.new.expires_at, |end| end.min(made.new.expires_at)),
            revoked_at: made.revoked_at,
        }
    }

    fn found_token(&self, made: &MadeToken) -> FoundToken {
        let parent_ended = made.parent.is_some_and(|key| self.keys[key].revoked_at.is_some());
        let active = self.is_active(chatbot(&self.domains[made.domain]));
        let token = self.token(made);
        FoundToken {
            principal: token.principal(),
            ended: token.revoked_at.is_some() || parent_ended || !active,
        }
    }

    /// Whether a token may be made of a domain and a key at a time.
    fn may_be_made(&self, domain: usize, parent: Option<usize>, at: Timestamp) -> bool {
        let key = |key: &Key| key.revoked_at.is_none() && key.rights.expires_at.is_none_or(|end| end > at);
        self.is_active(chatbot(&self.domains[domain])) && parent.is_none_or(|parent| key(&self.keys[parent]))
    }
}

/// One of those that there are.
fn pick<T>(of: &[T], index: Index) -> Option<usize> {
    (!of.is_empty()).then(|| index.index(of.len()))
}

fn address(number: u8) -> String {
    format!("alice{number}@example.com")
}

/// Does a command to both, and compares what they say. One that has nothing to work on does nothing.
async fn step(fixture: &Fixture, model: &mut Model, command: Command) -> Option<()> {
    let stores = if model.events.len().is_multiple_of(2) { &fixture.stores } else { &fixture.peer };
    match command {
        Command::Account => {
            model.accounts.push(fixture.account().await);
            model.events.push("account.created");
        }
        Command::Domain(index) => {
            let account = &model.accounts[pick(&model.accounts, index)?];
            let domain = fixture.domain(account).await;
            model.domains.push(domain);
            model.events.push("domain.created");
        }
        Command::SetAccount(index, active) => {
            let index = pick(&model.accounts, index)?;
            let status = if active { Status::Active } else { Status::Suspended };
            let grant = granted::<SuspendAccount>(&model.accounts[index]);
            let done = stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
            let account = &mut model.accounts[index];
            (account.status, account.version) = (status, account.version.next());
            model.events.push(if active { "account.revived" } else { "account.suspended" });
            assert_eq!(done, model.announce(1));
            let read = stores.accounts.read(everything(), model.accounts[index].id).await.unwrap();
            assert_eq!(read.as_ref(), Some(&model.accounts[index]));
        }
        Command::SetDomain(index, active) => {
            let index = pick(&model.domains, index)?;
            let status = if active { Status::Active } else { Status::Suspended };
            let grant = granted::<SuspendDomain>(&model.domains[index]);
            let done = stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
            let domain = &mut model.domains[index];
            (domain.status, domain.version) = (status, domain.version.next());
            model.events.push(if active { "domain.revived" } else { "domain.suspended" });
            assert_eq!(done, model.announce(1));
            let home = stores.domains.widget_home(&model.domains[index].name).await.unwrap();
            let wanted = model.is_active(chatbot(&model.domains[index])).then(|| &model.domains[index]);
            assert_eq!(home.as_ref(), wanted);
        }
        Command::Key { home, of_domain, minutes } => {
            let (service, tenant) = if of_domain {
                (Service::Chatbot, chatbot(&model.domains[pick(&model.domains, home)?]))
            } else {
                (Service::Hub, hub(&model.accounts[pick(&model.accounts, home)?]))
            };
            let new = fixture.new_key(service);
            let rights = Rights { expires_at: ends(new.at, minutes), ..all_rights(service) };
            let new = NewKey { rights: unbounded(rights.clone()), ..new };
            let done = stores.keys.create(&granted::<CreateKey>(&tenant), new.clone(), None).await.unwrap();
            assert_eq!(done, Creation::Done(model.announce(1)));
            model.events.push("key.created");
            model.secrets.push((new.secret.digest, model.keys.len(), None));
            model.keys.push(Key {
                id: new.id,
                service,
                tenant,
                name: new.name,
                prefix: new.secret.prefix,
                rights,
                created_at: new.at,
                use_count: 0,
                last_used_at: None,
                revoked_at: None,
                version: Version::FIRST,
            });
        }
        Command::UseKey { key, times, minutes_ago } => {
            let index = pick(&model.keys, key)?;
            let key = &mut model.keys[index];
            let ago = i64::from(minutes_ago) * 60_000;
            let last = Timestamp::from_millis(fixture.at().millis() - ago);
            stores.key_index.touch(&[KeyUse { key: key.id, times: times.into(), last }]).await.unwrap();
            key.use_count += u64::from(times);
            key.last_used_at = key.last_used_at.max(Some(last));
        }
        Command::ChangeKey { key, stale, minutes } => {
            let index = pick(&model.keys, key)?;
            let (key, at) = (model.keys[index].clone(), fixture.at());
            let rights = Rights { expires_at: ends(at, minutes), ..key.rights.clone() };
            let version = if stale { key.version.next() } else { key.version };
            let patch = KeyPatch { expires_at: Set::To(rights.expires_at), ..KeyPatch::default() };
            let grant = granted::<ChangeKey>(&key);
            let done =
                stores.keys.change(&grant, version, patch, unbounded(rights.clone()), at).await.unwrap();
            if stale || key.revoked_at.is_some() {
                assert_eq!(done, Change::Stale);
            } else {
                let changed = Key { rights, version: version.next(), ..key };
                assert_eq!(done, Change::Done((changed.clone(), model.announce(1))));
                model.events.push("key.changed");
                model.keys[index] = changed;
            }
        }
        Command::RotateKey { key, stale, overlap } => {
            let index = pick(&model.keys, key)?;
            let (key, at) = (model.keys[index].clone(), fixture.at());
            let (version, until) =
                (if stale { key.version.next() } else { key.version }, at + MINUTE * overlap.into());
            let (secret, rights) = (fixture.secret(key.service), unbounded(key.rights.clone()));
            let grant = granted::<RotateKey>(&key);
            let done = stores.keys.rotate(&grant, version, rights, secret.clone(), until, at).await.unwrap();
            if stale || key.revoked_at.is_some() {
                assert_eq!(done, Change::Stale);
            } else {
                let rotated = Key { prefix: secret.prefix, version: version.next(), ..key };
                assert_eq!(done, Change::Done((rotated.clone(), model.announce(2))));
                model.events.push("key.rotated");
                let end = if until > at { until } else { Timestamp::EPOCH };
                for (_, _, ends) in model.secrets.iter_mut().filter(|(_, of, _)| *of == index) {
                    *ends = Some(ends.map_or(end, |sooner| sooner.min(end)));
                }
                model.secrets.push((secret.digest, index, None));
                model.keys[index] = rotated;
            }
        }
        Command::RevokeKey(index) => {
            let index = pick(&model.keys, index)?;
            let at = fixture.at();
            let done = stores.keys.revoke(&granted::<RevokeKey>(&model.keys[index]), at).await.unwrap();
            if model.keys[index].revoked_at.is_some() {
                assert_eq!(done, None);
            } else {
                assert_eq!(done, Some(model.announce(1)));
                model.events.push("key.revoked");
                let key = &mut model.keys[index];
                (key.revoked_at, key.version) = (Some(at), key.version.next());
            }
        }
        Command::FindKey(index) => {
            let secret = pick(&model.secrets, index)?;
            let wanted = model.found_key(secret);
            for service in Service::ALL {
                let found = stores.key_index.find(service, &model.secrets[secret].0).await.unwrap();
                assert_eq!(found.as_ref(), (service == wanted.principal.service).then_some(&wanted));
            }
            let key = &model.keys[model.secrets[secret].1];
            let read = stores.keys.read(key.service, scope_of(key.tenant), key.id).await.unwrap();
            assert_eq!(read.as_ref(), Some(key));
        }
        Command::Mint { domain, parent, minutes } => {
            let domain = pick(&model.domains, domain)?;
            let tenant = chatbot(&model.domains[domain]);
            let own: Vec<_> = (0..model.keys.len()).filter(|key| model.keys[*key].tenant == tenant).collect();
            let parent = parent.and_then(|parent| Some(own[pick(&own, parent)?]));
            let new = fixture.new_token(TokenKind::Temp, parent.map(|key| model.keys[key].id));
            let new = NewToken { expires_at: new.at + MINUTE * minutes.into(), ..new };
            let done = stores.tokens.mint(&granted::<MintToken>(&tenant), new.clone(), None).await.unwrap();
            if model.may_be_made(domain, parent, new.at) {
                assert_eq!(done, Creation::Done(()));
                model.events.push("token.minted");
                model.tokens.push(MadeToken { new, domain, parent, revoked_at: None });
            } else {
                assert_eq!(done, Creation::Stale);
            }
        }
        Command::Open { token, minutes } => {
            let opener = model.tokens[pick(&model.tokens, token)?].clone();
            let new = fixture.new_chat(&opener.new);
            let new = NewToken { expires_at: new.at + MINUTE * minutes.into(), ..new };
            let grant = granted::<OpenSession>(&model.domains[opener.domain]);
            let done = stores.tokens.open(&grant, new.clone()).await.unwrap();
            let opens = opener.new.kind == TokenKind::Temp
                && opener.revoked_at.is_none()
                && opener.new.expires_at > new.at;
            if opens && model.may_be_made(opener.domain, opener.parent, new.at) {
                assert_eq!(done, Creation::Done(()));
                model.events.push("session.opened");
                model.tokens.push(MadeToken { new, revoked_at: None, ..opener });
            } else {
                assert_eq!(done, Creation::Stale);
            }
        }
        Command::RevokeToken(index) => {
            let index = pick(&model.tokens, index)?;
            let at = fixture.at();
            let token = model.token(&model.tokens[index]);
            let done = stores.tokens.revoke(&granted::<RevokeToken>(&token), at).await.unwrap();
            if token.revoked_at.is_some() {
                assert_eq!(done, None);
            } else {
                let mut ended = 0;
                for made in &mut model.tokens {
                    let ends = made.new.id == token.id || made.new.opened_by == Some(token.id);
                    if ends && made.revoked_at.is_none() {
                        made.revoked_at = Some(at);
                        ended += 1;
                    }
                }
                assert_eq!(done, Some(model.announce(ended)));
                model.events.push("token.revoked");
            }
        }
        Command::FindToken(index) => {
            let made = &model.tokens[pick(&model.tokens, index)?];
            let found = stores.tokens.find(&made.new.digest).await.unwrap();
            assert_eq!(found, Some(model.found_token(made)));
            let scope = scope_of(chatbot(&model.domains[made.domain]));
            let read = stores.tokens.read(scope, made.new.id).await.unwrap();
            assert_eq!(read, Some(model.token(made)));
        }
        Command::Purge { minutes } => {
            let before = Timestamp::from_millis(fixture.at().millis() - i64::from(minutes) * 60_000);
            let over = |made: &MadeToken| made.new.expires_at < before;
            let gone: Vec<_> =
                model.tokens.iter().filter(|made| over(made)).map(|made| made.new.id).collect();
            assert_eq!(stores.tokens.purge(before).await.unwrap(), gone.len());
            let opened_by_gone = |made: &MadeToken| made.new.opened_by.is_some_and(|by| gone.contains(&by));
            let (kept, forgotten): (Vec<_>, Vec<_>) =
                model.tokens.iter().cloned().partition(|made| !over(made) && !opened_by_gone(made));
            for made in forgotten {
                assert_eq!(stores.tokens.find(&made.new.digest).await.unwrap(), None);
            }
            model.tokens = kept;
        }
        Command::User { account, address: number, repeated } => {
            let account = &model.accounts[pick(&model.accounts, account)?];
            let new = fixture.new_user(&address(number));
            let request = repeated.map(|(key, body)| once(&key.to_string(), &body.to_string(), "the answer"));
            let tenant = hub(account);
            let done =
                stores.users.create(&granted::<CreateUser>(&tenant), new.clone(), request).await.unwrap();
            let day = Duration::from_secs(24 * 3600);
            let known = repeated.and_then(|(key, _)| model.requests.get(&key));
            let known = known.filter(|(_, at)| *at + day > new.at);
            let taken = |user: &User| user.account == tenant.account && user.email == new.email;
            match (known, repeated) {
                (Some((body, _)), Some((_, sent))) if *body == sent => {
                    assert_eq!(done, Creation::Repeated("the answer".to_owned()));
                }
                (Some(_), _) => assert_eq!(done, Creation::Mismatched),
                _ if model.users.iter().any(taken) => assert_eq!(done, Creation::Taken),
                _ => {
                    assert_eq!(done, Creation::Done(()));
                    model.events.push("user.created");
                    if let Some((key, body)) = repeated {
                        model.requests.insert(key, (body, new.at));
                    }
                    let NewUser { id, name, email, at } = new;
                    let version = Version::FIRST;
                    model.users.push(User {
                        id,
                        account: tenant.account,
                        name,
                        email,
                        created_at: at,
                        version,
                    });
                }
            }
        }
        Command::ChangeUser { user, address: number, stale } => {
            let index = pick(&model.users, user)?;
            let user = model.users[index].clone();
            let version = if stale { user.version.next() } else { user.version };
            let to = email(&address(number));
            let patch = UserPatch { email: Set::To(to.clone()), ..UserPatch::default() };
            let grant = granted::<ChangeUser>(&user);
            let done = stores.users.change(&grant, version, patch, fixture.at()).await.unwrap();
            let taken =
                |other: &User| other.account == user.account && other.email == to && other.id != user.id;
            if stale {
                assert_eq!(done, Change::Stale);
            } else if model.users.iter().any(taken) {
                assert_eq!(done, Change::Taken);
            } else {
                let changed = User { email: to, version: version.next(), ..user };
                assert_eq!(done, Change::Done(changed.clone()));
                model.events.push("user.changed");
                model.users[index] = changed;
            }
        }
        Command::RemoveUser(index) => {
            let user = model.users.remove(pick(&model.users, index)?);
            for gone in [true, false] {
                let done = stores.users.remove(&granted::<RemoveUser>(&user), fixture.at()).await.unwrap();
                assert_eq!(done, gone);
            }
            model.events.push("user.removed");
        }
        Command::Lists { account, limit } => {
            let account = &model.accounts[pick(&model.accounts, account)?];
            let scope = scope_of(hub(account));
            let users: Vec<_> = model.users.iter().filter(|user| user.account == account.id).collect();
            let listed = pages(
                limit,
                async |page| stores.users.list(scope, page).await.unwrap(),
                |user| *user.id.as_bytes(),
            );
            assert!(listed.await.iter().eq(users.into_iter().rev()));
            let keys: Vec<_> = model.keys.iter().filter(|key| key.tenant == hub(account)).collect();
            let listed = pages(
                limit,
                async |page| stores.keys.list(Service::Hub, scope, page).await.unwrap(),
                |key| *key.id.as_bytes(),
            );
            assert!(listed.await.iter().eq(keys.into_iter().rev()));
            tokens_of_domains(stores, model, limit).await;
        }
        Command::OneTime(command) => {
            return one_time::step(fixture, stores, &mut model.one_times, command).await;
        }
        Command::Pass { minutes } => _ = fixture.pass(MINUTE * minutes.into()),
    }
    Some(())
}

async fn tokens_of_domains(stores: &auth_core::port::Stores, model: &Model, limit: u8) {
    for domain in &model.domains {
        let scope: Scope = scope_of(chatbot(domain));
        for kind in [TokenKind::Temp, TokenKind::Chat] {
            let of = |made: &&MadeToken| model.domains[made.domain].id == domain.id && made.new.kind == kind;
            let wanted: Vec<_> = model.tokens.iter().filter(of).map(|made| model.token(made)).collect();
            let listed = pages(
                limit,
                async |page| stores.tokens.list(kind, scope, page).await.unwrap(),
                |token| *token.id.as_bytes(),
            );
            assert!(listed.await.iter().eq(wanted.iter().rev()));
        }
    }
}

/// All of a list, so many at once.
async fn pages<T>(limit: u8, read: impl AsyncFn(Page) -> Vec<T>, id: impl Fn(&T) -> [u8; 16]) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let part = read(Page { limit: limit.into(), before: all.last().map(&id) }).await;
        assert!(part.len() <= usize::from(limit));
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

fn ends(at: Timestamp, minutes: Option<u8>) -> Option<Timestamp> {
    minutes.map(|minutes| at + MINUTE * minutes.into())
}

/// So many sequences on fresh stores of a backend.
fn agrees(backend: &Backend, cases: u32, runtime: &tokio::runtime::Runtime) {
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let done = RefCell::new(HashSet::new());
    let run = TestRunner::new(config).run(&prop::collection::vec(command(), 40..120), |commands| {
        runtime.block_on(async {
            let fixture = Place::on(backend).await.fixture().await;
            let mut model = Model::default();
            // Something to work on.
            step(&fixture, &mut model, Command::Account).await.unwrap();
            for command in commands {
                let kind = std::mem::discriminant(&command);
                if step(&fixture, &mut model, command).await.is_some() {
                    done.borrow_mut().insert(kind);
                }
            }
            assert_eq!(fixture.told().await, model.events);
            assert_eq!(fixture.peer.revocations.head().await.unwrap(), Seq(model.seq));
        });
        Ok(())
    });
    run.unwrap();
    assert_eq!(done.borrow().len(), 21, "each command was tried");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn sqlite_answers_as_the_model() {
    agrees(&Backend::Sqlite, 60, &runtime());
}

#[test]
fn postgres_answers_as_the_model() {
    let runtime = runtime();
    // A container is removed within a runtime.
    let _entered = runtime.enter();
    let Some(server) = unless_missing("postgres", runtime.block_on(Postgres::start_in_memory())) else {
        return;
    };
    agrees(&server.backend(), 30, &runtime);
}

#[test]
fn sqlite_and_postgres_with_redis_answer_as_the_model() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let Some(redis) = unless_missing("redis", runtime.block_on(Redis::start())) else { return };
    agrees(&Backend::Sqlite.with_redis(redis.url()), 20, &runtime);
    let Some(server) = unless_missing("postgres", runtime.block_on(Postgres::start_in_memory())) else {
        return;
    };
    agrees(&server.backend().with_redis(redis.url()), 10, &runtime);
}
