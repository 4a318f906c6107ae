//! A store under test, and what cases make in it.

use crate::{
    ambient::{SeededEntropy, StepClock},
    place::Place,
};
use auth_core::{
    audit::ChainKey,
    credential::{NewSecret, draw_key},
    entropy::Entropy,
    id::{AccountId, CallId, DomainId, KeyId, TokenId, UserId},
    model::{
        Account, Channel, Domain, DomainName, DomainOwner, Email, Key, Language, Name, NewAccount, NewCall,
        NewDomain, NewKey, NewToken, NewUser, Page, PhoneNumber, Prose, Version,
    },
    policy::{
        Action, Allows, Assurance, Bounded, Ceiling, Granted, Installation, Need, Networks, Permission,
        Permissions, Proof, Requirement, Rights, Rule, Scope, decide, grant,
    },
    port::{
        CreateAccount, CreateDomain, CreateKey, Creation, MintToken, NewOneTime, Notice, Once, Purpose, Seq,
        Stores,
    },
    principal::{Caller, KeyPrincipal, Origin, Principal, Tenant, TokenKind},
    secret::TokenDigest,
    service::Service,
    time::{Clock as _, Timestamp},
};
use auth_web::system::OsEntropy;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Barrier, Semaphore};

/// A store under test.
pub struct Fixture {
    /// One opening of the store.
    pub stores: Stores,
    /// Another opening of the same store, as another process has it.
    pub peer: Stores,
    /// The key that the store chains its audit trail with.
    pub chain: ChainKey,
    clock: StepClock,
    entropy: SeededEntropy,
    /// Up to where the trail and the stream were looked at.
    seen: Mutex<(i64, Seq)>,
    /// Where the store is, if this keeps it.
    pub place: Option<Place>,
}

/// May try everything; what is the caller's is for the scope to say.
#[derive(Debug)]
pub struct May;

impl Requirement for May {
    const RULE: Rule = Rule::AnyOf(&[
        Need::Operator,
        Need::Key(Service::Hub, Permission::AuditRead),
        Need::Key(Service::Chatbot, Permission::AuditRead),
        Need::Token(TokenKind::Temp),
        Need::Person(&[], Assurance::Login),
    ]);
    type Subject = Principal;
}

impl<A: Action> Allows<A> for May {}

/// The proof of a principal. The callers of a test live as long as it does.
#[expect(clippy::disallowed_methods, reason = "tests of the core make their own callers")]
pub fn proof(who: Principal) -> Proof<'static, May> {
    let source = Some(std::net::Ipv4Addr::LOCALHOST.into());
    let origin = Origin { source, request_id: "contract".to_owned() };
    decide(Box::leak(Box::new(Caller { who: Some(who), origin }))).ok().unwrap()
}

/// The operator's grant of an action on an object.
pub fn granted<A: Action>(object: &A::Object) -> Granted<A> {
    grant::<A, May>(&proof(operator()), object).ok().unwrap()
}

/// The operator.
#[expect(clippy::disallowed_methods, reason = "the suite makes its tenants as the operator would")]
pub fn operator() -> Principal {
    Principal::operator()
}

/// The scope that holds everything.
pub fn everything() -> Scope {
    Scope::of(Some(&operator()))
}

/// A principal that holds a key of a tenant: of the Hub where it has no domain.
pub fn bearer(tenant: Tenant) -> Principal {
    let service = if tenant.domain.is_some() { Service::Chatbot } else { Service::Hub };
    let permissions = Permissions::all_of(service);
    Principal::Key(KeyPrincipal {
        id: KeyId::from_bytes([7; 16]),
        service,
        tenant,
        permissions,
        expires_at: None,
        version: Version::FIRST,
    })
}

/// What a key of a tenant may see.
pub fn scope_of(tenant: Tenant) -> Scope {
    Scope::of(Some(&bearer(tenant)))
}

/// The tenant of an account at the Hub.
pub fn hub(account: &Account) -> Tenant {
    Tenant { account: account.id, domain: None }
}

/// The tenant of a domain.
pub fn chatbot(domain: &Domain) -> Tenant {
    Tenant { account: domain.account, domain: Some(domain.id) }
}

/// So many tasks try what is done once.
pub const RACE: usize = 1000;

/// The longest page.
pub const ALL: Page = Page { limit: Page::MOST, before: None };

/// A page of this many, from before an item.
pub const fn page(limit: u16, before: Option<[u8; 16]>) -> Page {
    Page { limit, before }
}

/// A name.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// An address.
pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// A request that may be sent twice: the caller's key, the body, and the answer.
pub fn once(key: &str, body: &str, answer: &str) -> Once {
    Once { key: TokenDigest::of(key), body: TokenDigest::of(body), answer: answer.to_owned() }
}

/// Rights that nobody's bound them.
pub fn unbounded(rights: Rights) -> Bounded {
    Ceiling::NONE.bound(rights).unwrap()
}

/// Every right of a service.
pub fn all_rights(service: Service) -> Rights {
    let permissions = Permissions::all_of(service);
    Rights { permissions, expires_at: None, networks: Networks::ANY, rate_limit: None }
}

/// How many of the answers are this.
pub fn count<T: PartialEq>(answers: &[T], wanted: &T) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}

impl Fixture {
    /// A store, opened twice, with the key of its trail.
    pub fn new(stores: Stores, peer: Stores, chain: ChainKey, place: Option<Place>) -> Self {
        let (clock, entropy) = (StepClock::default(), SeededEntropy::new(17));
        Self { stores, peer, chain, clock, entropy, seen: Mutex::new((0, Seq(0))), place }
    }

    /// The next millisecond: what is made later is newer.
    pub fn at(&self) -> Timestamp {
        self.pass(Duration::from_millis(1))
    }
    /// Lets time pass.
    pub fn pass(&self, span: Duration) -> Timestamp {
        self.clock.advance(span);
        self.clock.now()
    }
    /// The entropy.
    pub const fn entropy(&self) -> &dyn Entropy {
        &self.entropy
    }

    /// The actions of the audit entries that were written since the last look.
    pub async fn told(&self) -> Vec<String> {
        let from = self.seen.lock().unwrap().0 + 1;
        let entries = self.peer.audit.scan(from, u16::MAX).await.unwrap();
        if let Some(last) = entries.last() {
            self.seen.lock().unwrap().0 = last.seq;
        }
        let action = |event: &str| {
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            event["action"].as_str().unwrap().to_owned()
        };
        entries.iter().map(|found| action(&found.entry.event)).collect()
    }

    /// The notices that were announced since the last look.
    pub async fn announced(&self) -> Vec<Notice> {
        let after = self.seen.lock().unwrap().1;
        let notices = self.peer.revocations.since(after).await.unwrap();
        if let Some(last) = notices.last() {
            self.seen.lock().unwrap().1 = last.seq;
        }
        notices
    }

    /// Looks away from what was written so far.
    pub async fn look_away(&self) {
        self.told().await;
        self.announced().await;
    }

    /// Asserts that nothing was written since the last look.
    pub async fn assert_silent(&self, why: &str) {
        assert_eq!(self.told().await, [""; 0], "audit: {why}");
        assert_eq!(self.announced().await, [], "stream: {why}");
    }

    /// Runs an operation in tasks that are released together, every other one through the peer.
    pub async fn race<T, Work>(&self, count: usize, operation: impl Fn(usize, Stores) -> Work) -> Vec<T>
    where
        T: Send + 'static,
        Work: Future<Output = T> + Send + 'static,
    {
        let gate = Arc::new(Barrier::new(count));
        let start = |number: usize| {
            let stores = if number.is_multiple_of(2) { &self.stores } else { &self.peer };
            let (work, gate) = (operation(number, stores.clone()), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                work.await
            })
        };
        let tasks: Vec<_> = (0..count).map(start).collect();
        let mut answers = Vec::with_capacity(count);
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    }

    /// A race whose middle operation ends what the others use: a third of them goes at once, and the end with the
    /// others when one of those has answered. So one comes before the end for certain.
    pub async fn race_to_the_end<T, Work>(
        &self,
        count: usize,
        operation: impl Fn(usize, Stores) -> Work + Send + Sync,
    ) -> Vec<T>
    where
        T: Send + 'static,
        Work: Future<Output = T> + Send + 'static,
    {
        let answered = Arc::new(Semaphore::new(0));
        let race = |number: usize, stores| {
            let (work, answered) = (operation(number, stores), Arc::clone(&answered));
            async move {
                if number >= count / 3 {
                    drop(answered.acquire().await);
                }
                let answer = work.await;
                answered.add_permits(1);
                answer
            }
        };
        self.race(count, race).await
    }

    /// Makes an account.
    pub async fn account(&self) -> Account {
        let at = self.at();
        let id = AccountId::draw(at, self.entropy());
        let new = NewAccount { id, name: name("Account"), contact: Some(email("alice@example.com")), at };
        let grant = granted::<CreateAccount>(&Installation);
        let made = self.stores.accounts.create(&grant, new, Vec::new(), None).await.unwrap();
        assert_eq!(made, Creation::Done(()));
        self.stores.accounts.read(everything(), id).await.unwrap().unwrap()
    }

    /// Makes a domain of an account.
    pub async fn domain(&self, account: &Account) -> Domain {
        let new = self.new_domain(None);
        let id = new.id;
        let made = self
            .stores
            .domains
            .create(&granted::<CreateDomain>(&DomainOwner::of(account)), new, None)
            .await
            .unwrap();
        assert_eq!(made, Creation::Done(()));
        self.stores.domains.read(everything(), id).await.unwrap().unwrap()
    }

    /// A domain to be made, of this name or of one of its own.
    pub fn new_domain(&self, name: Option<&str>) -> NewDomain {
        let at = self.at();
        let id = DomainId::draw(at, self.entropy());
        let own = format!("d{}.example", at.millis());
        NewDomain { id, name: DomainName::parse(name.unwrap_or(&own)).unwrap(), at }
    }

    /// A user to be made.
    pub fn new_user(&self, address: &str) -> NewUser {
        let at = self.at();
        NewUser { id: UserId::draw(at, self.entropy()), name: name("Alice"), email: email(address), at }
    }

    /// A call to be made.
    pub fn new_call(&self, channel: Channel) -> NewCall {
        let at = self.at();
        NewCall {
            id: CallId::draw(at, self.entropy()),
            call_type: name("reminder"),
            channel,
            phone_number: PhoneNumber::parse("+14155550123").unwrap(),
            client_name: name("Alice"),
            client_email: email("alice@example.com"),
            instruction: Prose::parse("Call.\nBe kind.").unwrap(),
            domain_name: name("example.com"),
            language: Language::parse("pt-BR").unwrap(),
            scheduled_time: None,
            at,
        }
    }

    /// A secret to be stored.
    pub fn secret(&self, service: Service) -> NewSecret {
        draw_key(service, self.entropy()).1
    }

    /// A key to be made, with every right of its service.
    pub fn new_key(&self, service: Service) -> NewKey {
        let at = self.at();
        NewKey {
            id: KeyId::draw(at, self.entropy()),
            service,
            name: name("key"),
            rights: unbounded(all_rights(service)),
            secret: self.secret(service),
            at,
        }
    }

    /// Makes a key of a tenant, and answers it with what is stored of its secret.
    pub async fn key(&self, tenant: Tenant) -> (Key, NewSecret) {
        let service = if tenant.domain.is_some() { Service::Chatbot } else { Service::Hub };
        let new = self.new_key(service);
        let (id, secret) = (new.id, new.secret.clone());
        let made = self.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
        assert!(matches!(made, Creation::Done(_)), "{made:?}");
        (self.stores.keys.read(service, everything(), id).await.unwrap().unwrap(), secret)
    }

    /// What is stored of a secret that nobody has: another one in each store, as several may share a Redis.
    pub fn digest(&self) -> TokenDigest {
        let mut digest = [0; 32];
        OsEntropy.fill(&mut digest);
        TokenDigest::from_bytes(digest)
    }

    /// Something that is to be good once, for a minute.
    pub fn new_one_time(&self, purpose: Purpose) -> NewOneTime {
        let (at, digest) = (self.at(), self.digest());
        NewOneTime {
            purpose,
            digest,
            content: b"kept".to_vec(),
            at,
            expires_at: at + Duration::from_secs(60),
        }
    }

    /// A token to be made, that ends in an hour.
    pub fn new_token(&self, kind: TokenKind, parent: Option<KeyId>) -> NewToken {
        let at = self.at();
        NewToken {
            id: TokenId::draw(at, self.entropy()),
            kind,
            digest: self.digest(),
            parent,
            opened_by: None,
            username: name("alice"),
            language: Language::parse("en").ok(),
            at,
            expires_at: at + Duration::from_secs(3600),
        }
    }

    /// A browser chat to be opened by a token.
    pub fn new_chat(&self, opener: &NewToken) -> NewToken {
        NewToken { opened_by: Some(opener.id), ..self.new_token(TokenKind::Chat, opener.parent) }
    }

    /// Mints a token of a domain, and answers what was asked for.
    pub async fn token(&self, domain: &Domain, parent: Option<KeyId>) -> NewToken {
        let new = self.new_token(TokenKind::Temp, parent);
        let tenant = chatbot(domain);
        let made = self.stores.tokens.mint(&granted::<MintToken>(&tenant), new.clone(), None).await.unwrap();
        assert_eq!(made, Creation::Done(()));
        new
    }
}
