//! A store that fails when it is told to: every port, each call.

use auth_core::{
    attempts::Trial,
    audit::{Chained, Entry, Head},
    credential::{NewSecret, PasswordHash, Refresh},
    error::StoreError,
    id::{AccountId, CallId, ConnectionId, DomainId, KeyId, PasskeyId, PersonId, SessionId, TokenId, UserId},
    model::{
        Account, AccountPatch, Address, Applicant, Authorization, Call, Connection, Domain, DomainName,
        DomainOwner, DomainPatch, Key, KeyPatch, KeyUse, Login, Member, NewAccount, NewAuthorization,
        NewCall, NewConnection, NewDomain, NewKey, NewPerson, NewSession, NewToken, NewUser, Page, Person,
        PersonPatch, ProviderName, SealedTokens, Session, SessionEnd, SigningKeyRecord, Status,
        StoredConnection, Token, Usage, User, UserPatch, Version, WebOrigin,
    },
    policy::{Bounded, GivenRole, Granted, OwnPerson, Scope},
    port::{
        Accounts, AdmitMember, Answer, Attempts, AuditFilter, AuditTrail, Authorizations, BeginAuthorization,
        BeginSession, Callback, Calls, CancelCall, Change, ChangeAccount, ChangeDomain, ChangeKey,
        ChangePassword, ChangePerson, ChangeRole, ChangeUser, Claim, Claiming, Claims, Connect, Connecting,
        Connections, CreateAccount, CreateDomain, CreateKey, CreateSuperAdmin, CreateUser, Creation,
        DeclineApplicant, Disconnect, Domains, DrawRecoveryCodes, EndSession, EndSessions, Ends, EnrolTotp,
        Factors, Forgotten, FoundKey, FoundSession, FoundToken, ImportKeys, ImportPeople, KeyIndex, Keys,
        Mailed, Members, MintToken, NewOneTime, Notice, Once, OneTime, OpenSession, Outcome, People,
        PersonChange, Purpose, Register, Rekey, RemoveMember, RemovePasskey, RemovePerson, RemoveTotp,
        RemoveUser, Renewal, Renewed, Renewing, ReplicaId, ResetPassword, Revocations, RevokeKey,
        RevokeToken, RotateKey, RotateSigningKey, Rotation, Seq, Sessions, SigningKeys, StartCall, Stores,
        SuspendAccount, SuspendDomain, Tokens, UseConnection, Users, Vault, VaultKey, VerifyAddress,
    },
    principal::{Origin, Tenant, TokenKind},
    seal::{KeyName, Sealed},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Says when the store fails.
#[derive(Clone, Default)]
pub struct Faults(Arc<State>);

#[derive(Default)]
struct State {
    when: AtomicI64,
    stalled: Mutex<&'static [&'static str]>,
    met: AtomicBool,
    failing: Mutex<&'static [&'static str]>,
    losing: Mutex<&'static [&'static str]>,
    failed: Mutex<Vec<Instant>>,
}

const HEALTHY: i64 = 0;
const DOWN: i64 = -1;
const PANIC: i64 = -2;

impl Faults {
    /// Every call fails from now on.
    pub fn go_down(&self) {
        self.0.when.store(DOWN, Ordering::SeqCst);
    }
    /// No call fails from now on, and every one answers.
    pub fn recover(&self) {
        self.stall(&[]);
        self.fail(&[]);
        self.lose(&[]);
        self.0.when.store(HEALTHY, Ordering::SeqCst);
    }
    /// Of the calls from now on, this one fails: 1 is the next, 0 is none. Those of the background (the revocation
    /// stream, refusals, uses) are neither counted nor failed.
    pub fn fail_once(&self, call: u32) {
        self.0.when.store(call.into(), Ordering::SeqCst);
    }
    /// The next call that is not one of the background panics.
    pub fn panic_once(&self) {
        self.0.when.store(PANIC, Ordering::SeqCst);
    }
    /// Calls of these methods do not answer from now on.
    pub fn stall(&self, methods: &'static [&'static str]) {
        *self.0.stalled.lock().unwrap() = methods;
        self.0.met.store(false, Ordering::SeqCst);
    }
    /// Whether a call has met the [`stall`](Self::stall).
    pub fn has_stalled(&self) -> bool {
        self.0.met.load(Ordering::SeqCst)
    }
    /// Calls of these methods fail from now on; `news`, which cannot fail, is always there.
    pub fn fail(&self, methods: &'static [&'static str]) {
        *self.0.failing.lock().unwrap() = methods;
        self.0.failed.lock().unwrap().clear();
    }
    /// Calls of these methods are done from now on, and told as if they had failed.
    pub fn lose(&self, methods: &'static [&'static str]) {
        *self.0.losing.lock().unwrap() = methods;
    }
    /// When calls of [`fail`](Self::fail) did since then.
    pub fn failed(&self) -> Vec<Instant> {
        self.0.failed.lock().unwrap().clone()
    }
    /// Whether the call of [`fail_once`](Self::fail_once) was not reached.
    pub fn is_due(&self) -> bool {
        self.0.when.load(Ordering::SeqCst) > HEALTHY
    }

    /// The store, with these faults.
    pub fn on(&self, stores: Stores) -> Stores {
        let faulty = Arc::new(Faulty { stores, faults: self.clone() });
        Stores {
            accounts: Arc::clone(&faulty) as _,
            users: Arc::clone(&faulty) as _,
            authorizations: Arc::clone(&faulty) as _,
            connections: Arc::clone(&faulty) as _,
            claims: Arc::clone(&faulty) as _,
            vault: Arc::clone(&faulty) as _,
            domains: Arc::clone(&faulty) as _,
            keys: Arc::clone(&faulty) as _,
            key_index: Arc::clone(&faulty) as _,
            tokens: Arc::clone(&faulty) as _,
            one_time: Arc::clone(&faulty) as _,
            calls: Arc::clone(&faulty) as _,
            audit: Arc::clone(&faulty) as _,
            people: Arc::clone(&faulty) as _,
            sessions: Arc::clone(&faulty) as _,
            factors: Arc::clone(&faulty) as _,
            members: Arc::clone(&faulty) as _,
            mailed: Arc::clone(&faulty) as _,
            attempts: Arc::clone(&faulty) as _,
            signing_keys: Arc::clone(&faulty) as _,
            revocations: faulty,
        }
    }

    async fn check(&self, port: &str, method: &str) -> Answer<()> {
        while self.stalls(method) {
            self.0.met.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let background =
            port == "revocations" || matches!((port, method), ("audit", "append") | ("key_index", "touch"));
        let fails = self.fails(method);
        if fails {
            self.0.failed.lock().unwrap().push(Instant::now());
        }
        let fails = fails
            || match self.0.when.load(Ordering::SeqCst) {
                DOWN => true,
                PANIC if !background => {
                    self.recover();
                    panic!("canary: a panic at {port}.{method}");
                }
                left if left > HEALTHY && !background => self.0.when.fetch_sub(1, Ordering::SeqCst) == 1,
                _ => false,
            };
        if fails { Err(StoreError::Unavailable(format!("a fault at {port}.{method}"))) } else { Ok(()) }
    }

    fn told<T>(&self, method: &str, answer: Answer<T>) -> Answer<T> {
        if self.0.losing.lock().unwrap().contains(&method) {
            return Err(StoreError::Unavailable(format!("the answer of {method} was lost")));
        }
        answer
    }
}

impl Faults {
    fn stalls(&self, method: &str) -> bool {
        self.0.stalled.lock().unwrap().contains(&method)
    }

    fn fails(&self, method: &str) -> bool {
        self.0.failing.lock().unwrap().contains(&method)
    }
}

struct Faulty {
    stores: Stores,
    faults: Faults,
}

macro_rules! port {
    ($trait:ident, $field:ident { $($method:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* } $(waits $wait:ident($of:ident: $seq:ty))?) => {
        #[async_trait::async_trait]
        impl $trait for Faulty {
            $(async fn $wait(&self, $of: $seq) {
                if !self.faults.fails(stringify!($wait)) {
                    self.stores.$field.$wait($of).await;
                }
            })?
            $(async fn $method(&self, $($name: $kind),*) -> $answer {
                self.faults.check(stringify!($field), stringify!($method)).await?;
                let answer = self.stores.$field.$method($($name),*).await;
                self.faults.told(stringify!($method), answer)
            })*
        }
    };
}

port!(Accounts, accounts {
    read(scope: Scope, id: AccountId) -> Answer<Option<Account>>;
    list(scope: Scope, page: Page) -> Answer<Vec<Account>>;
    create(grant: &Granted<CreateAccount>, new: NewAccount, domains: Vec<NewDomain>, once: Option<Once>) -> Answer<Creation>;
    create_first(grant: &Granted<CreateAccount>, new: NewAccount) -> Answer<bool>;
    change(grant: &Granted<ChangeAccount>, version: Version, patch: AccountPatch, at: Timestamp) -> Answer<Change<Account>>;
    set_status(grant: &Granted<SuspendAccount>, status: Status, at: Timestamp) -> Answer<Seq>;
});
port!(Users, users {
    read(scope: Scope, id: UserId) -> Answer<Option<User>>;
    list(scope: Scope, page: Page) -> Answer<Vec<User>>;
    create(grant: &Granted<CreateUser>, new: NewUser, once: Option<Once>) -> Answer<Creation>;
    change(grant: &Granted<ChangeUser>, version: Version, patch: UserPatch, at: Timestamp) -> Answer<Change<User>>;
    remove(grant: &Granted<RemoveUser>, at: Timestamp) -> Answer<bool>;
});
port!(Authorizations, authorizations {
    begin(grant: &Granted<BeginAuthorization>, new: NewAuthorization) -> Answer<Creation>;
    take(callback: &Callback, at: Timestamp) -> Answer<Option<Authorization>>;
    purge(before: Timestamp) -> Answer<()>;
});

port!(Connections, connections {
    list(scope: Scope, user: UserId) -> Answer<Vec<Connection>>;
    read(scope: Scope, user: UserId, provider: &ProviderName) -> Answer<Option<StoredConnection>>;
    linked(grant: &Granted<Connect>, provider: &ProviderName) -> Answer<Option<ConnectionId>>;
    connect(grant: &Granted<Connect>, new: NewConnection) -> Answer<Connecting>;
    disconnect(grant: &Granted<Disconnect>, at: Timestamp) -> Answer<bool>;
    ended(after: Option<ConnectionId>, limit: u16) -> Answer<Vec<Connection>>;
});

port!(Claims, claims {
    claim(grant: &Granted<UseConnection>, claim: Claim, at: Timestamp) -> Answer<Claiming>;
    claim_ended(grant: &Granted<Disconnect>, claim: Claim, at: Timestamp) -> Answer<Claiming>;
    renewed(grant: &Granted<UseConnection>, claim: Claim, renewed: Renewed, at: Timestamp) -> Answer<Renewing>;
    release(grant: &Granted<UseConnection>, claim: Claim, outcome: Outcome, at: Timestamp) -> Answer<bool>;
    forget(grant: &Granted<Disconnect>, claim: Claim, how: Forgotten, at: Timestamp) -> Answer<bool>;
    not_revoked(grant: &Granted<Disconnect>, claim: Claim, at: Timestamp) -> Answer<bool>;
});

port!(Vault, vault {
    keys() -> Answer<Vec<VaultKey>>;
    add_key(key: VaultKey, beside: &[KeyName], at: Timestamp) -> Answer<bool>;
    count_sealed_before(newest: KeyName) -> Answer<u64>;
    sealed_before(newest: KeyName, after: Option<ConnectionId>, limit: u16) -> Answer<Vec<StoredConnection>>;
    reseal(grant: &Granted<Rekey>, id: ConnectionId, before: &SealedTokens, after: SealedTokens) -> Answer<bool>;
    retire_keys(grant: &Granted<Rekey>, newest: KeyName, at: Timestamp) -> Answer<Vec<KeyName>>;
});

port!(Domains, domains {
    read(scope: Scope, id: DomainId) -> Answer<Option<Domain>>;
    by_name(scope: Scope, name: &DomainName) -> Answer<Option<Domain>>;
    widget_home(name: &DomainName) -> Answer<Option<Domain>>;
    lists_page(page: &WebOrigin) -> Answer<bool>;
    list(scope: Scope, page: Page) -> Answer<Vec<Domain>>;
    owner(scope: Scope, account: AccountId) -> Answer<Option<DomainOwner>>;
    create(grant: &Granted<CreateDomain>, new: NewDomain, once: Option<Once>) -> Answer<Creation>;
    change(grant: &Granted<ChangeDomain>, version: Version, patch: DomainPatch, at: Timestamp) -> Answer<Change<Domain>>;
    set_status(grant: &Granted<SuspendDomain>, status: Status, at: Timestamp) -> Answer<Seq>;
});
port!(Keys, keys {
    read(service: Service, scope: Scope, id: KeyId) -> Answer<Option<Key>>;
    list(service: Service, scope: Scope, page: Page) -> Answer<Vec<Key>>;
    create(grant: &Granted<CreateKey>, new: NewKey, once: Option<Once>) -> Answer<Creation<Seq>>;
    import(grant: &Granted<ImportKeys>, new: Vec<(Tenant, NewKey)>) -> Answer<(Vec<bool>, Seq)>;
    change(grant: &Granted<ChangeKey>, version: Version, patch: KeyPatch, rights: Bounded, at: Timestamp) -> Answer<Change<(Key, Seq)>>;
    rotate(grant: &Granted<RotateKey>, version: Version, rights: Bounded, secret: NewSecret, old_until: Timestamp, at: Timestamp) -> Answer<Change<(Key, Seq)>>;
    revoke(grant: &Granted<RevokeKey>, at: Timestamp) -> Answer<Option<Seq>>;
});
port!(KeyIndex, key_index {
    find(service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>>;
    digests_since(service: Service, after: Seq) -> Answer<Vec<TokenDigest>>;
    touch(uses: &[KeyUse]) -> Answer<()>;
});
port!(Tokens, tokens {
    find(digest: &TokenDigest) -> Answer<Option<FoundToken>>;
    by_digest(scope: Scope, digest: &TokenDigest) -> Answer<Option<Token>>;
    read(scope: Scope, id: TokenId) -> Answer<Option<Token>>;
    list(kind: TokenKind, scope: Scope, page: Page) -> Answer<Vec<Token>>;
    mint(grant: &Granted<MintToken>, new: NewToken, once: Option<Once>) -> Answer<Creation>;
    open(grant: &Granted<OpenSession>, new: NewToken) -> Answer<Creation>;
    revoke(grant: &Granted<RevokeToken>, at: Timestamp) -> Answer<Option<Seq>>;
    purge(before: Timestamp) -> Answer<usize>;
});
port!(OneTime, one_time {
    keep(new: NewOneTime) -> Answer<()>;
    take(purpose: Purpose, digest: &TokenDigest, at: Timestamp) -> Answer<Option<Vec<u8>>>;
    purge(before: Timestamp) -> Answer<()>;
});
port!(Calls, calls {
    read(scope: Scope, id: CallId) -> Answer<Option<Call>>;
    list(scope: Scope, page: Page) -> Answer<Vec<Call>>;
    start(grant: &Granted<StartCall>, new: NewCall, once: Option<Once>) -> Answer<Creation>;
    cancel(grant: &Granted<CancelCall>, at: Timestamp) -> Answer<Change<Call>>;
    usage(scope: Scope, from: Timestamp, to: Timestamp) -> Answer<Vec<Usage>>;
});
port!(People, people {
    read(own: OwnPerson) -> Answer<Option<Person>>;
    by_address(address: &Address) -> Answer<Option<Login>>;
    login_of(own: OwnPerson) -> Answer<Option<Login>>;
    register(grant: &Granted<Register>, new: NewPerson) -> Answer<Creation>;
    import(grant: &Granted<ImportPeople>, new: Vec<NewPerson>) -> Answer<Vec<bool>>;
    create_first_super_admin(grant: &Granted<CreateSuperAdmin>, new: NewPerson, totp: Sealed) -> Answer<Creation>;
    change_password(grant: &Granted<ChangePassword>, old: &PasswordHash, new: PasswordHash, by: (SessionId, Ends), at: Timestamp) -> Answer<Change<Seq>>;
    find(scope: Scope, id: PersonId) -> Answer<Option<Person>>;
    list(scope: Scope, page: Page) -> Answer<Vec<Person>>;
    change(grant: &Granted<ChangePerson>, version: Version, patch: PersonPatch, highest: GivenRole, at: Timestamp) -> Answer<PersonChange<(Person, Seq)>>;
    remove(grant: &Granted<RemovePerson>, version: Version, highest: GivenRole, at: Timestamp) -> Answer<PersonChange<Seq>>;
    rehash(address: &Address, old: &PasswordHash, new: PasswordHash) -> Answer<()>;
});
port!(Members, members {
    read(scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Member>>;
    list(scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Member>>;
    applicant(scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Applicant>>;
    applicants(scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Applicant>>;
    admit(grant: &Granted<AdmitMember>, role: GivenRole, at: Timestamp) -> Answer<Change>;
    decline(grant: &Granted<DeclineApplicant>, at: Timestamp) -> Answer<Change>;
    change_role(grant: &Granted<ChangeRole>, version: Version, role: GivenRole, at: Timestamp) -> Answer<Change<Seq>>;
    remove(grant: &Granted<RemoveMember>, version: Version, at: Timestamp) -> Answer<Change<Seq>>;
});
port!(Sessions, sessions {
    find(id: SessionId) -> Answer<Option<FoundSession>>;
    read(own: OwnPerson, id: SessionId, at: Timestamp) -> Answer<Option<Session>>;
    list(own: OwnPerson, at: Timestamp, page: Page) -> Answer<Vec<Session>>;
    begin(grant: &Granted<BeginSession>, new: NewSession) -> Answer<Creation<Option<Seq>>>;
    rotate(presented: &Refresh, next: &TokenDigest, sealed: Sealed, origin: &Origin, at: Timestamp) -> Answer<Rotation>;
    of_refresh(presented: &Refresh, at: Timestamp) -> Answer<Option<Session>>;
    end(grant: &Granted<EndSession>, why: SessionEnd, at: Timestamp) -> Answer<Option<Seq>>;
    end_all(grant: &Granted<EndSessions>, why: SessionEnd, at: Timestamp) -> Answer<Seq>;
    purge(before: Timestamp) -> Answer<()>;
});
port!(Factors, factors {
    is_empty() -> Answer<bool>;
    enrol(grant: &Granted<EnrolTotp>, secret: Sealed, session: SessionId, at: Timestamp) -> Answer<Change>;
    remove(grant: &Granted<RemoveTotp>, session: SessionId, at: Timestamp) -> Answer<Change<Seq>>;
    remove_passkey(grant: &Granted<RemovePasskey>, id: PasskeyId, session: SessionId, at: Timestamp) -> Answer<Change<Seq>>;
    replace_recovery_codes(grant: &Granted<DrawRecoveryCodes>, session: SessionId, digests: Vec<TokenDigest>, at: Timestamp) -> Answer<Change>;
});
port!(Mailed, mailed {
    verify(grant: &Granted<VerifyAddress>, version: Version, at: Timestamp) -> Answer<Change>;
    reset_password(grant: &Granted<ResetPassword>, version: Version, new: PasswordHash, at: Timestamp) -> Answer<Change<Seq>>;
});
port!(Attempts, attempts {
    take(trial: &Trial, at: Timestamp) -> Answer<Result<(), Duration>>;
    succeeded(trial: &Trial) -> Answer<()>;
    unjudged(trial: &Trial) -> Answer<()>;
    purge(before: Timestamp) -> Answer<()>;
});
port!(SigningKeys, signing_keys {
    list() -> Answer<Vec<SigningKeyRecord>>;
    add(grant: &Granted<RotateSigningKey>, new: SigningKeyRecord, old_until: Timestamp) -> Answer<Change<Seq>>;
    purge(before: Timestamp) -> Answer<()>;
});
port!(AuditTrail, audit {
    list(scope: Scope, filter: &AuditFilter, before: Option<i64>, limit: u16) -> Answer<Vec<Chained>>;
    scan(from: i64, limit: u16) -> Answer<Vec<Chained>>;
    head() -> Answer<Head>;
    append(entries: Vec<Entry>) -> Answer<()>;
});
port!(Revocations, revocations {
    join(replica: ReplicaId, applied: Seq) -> Answer<()>;
    renew(replica: ReplicaId, lease: Duration) -> Answer<Renewal>;
    head() -> Answer<Seq>;
    since(after: Seq) -> Answer<Vec<Notice>>;
    acknowledge(replica: ReplicaId, applied: Seq) -> Answer<bool>;
    settled(seq: Seq, lease: Duration) -> Answer<()>;
    leave(replica: ReplicaId) -> Answer<()>;
} waits news(applied: Seq));
