//! Users who link calendars, and what they link, as cases make them.

use super::fixture::{Fixture, all_rights, email, everything, granted, hub, proof, unbounded};
use auth_core::{
    credential::AUTHORIZATION_LIFE,
    id::ConnectionId,
    model::{
        Account, Connection, Key, NewAuthorization, NewConnection, NewKey, ProviderName, Scopes,
        SealedTokens, StoredConnection, Subject, User,
    },
    policy::{Granted, Rights, grant},
    port::{
        Answer, BeginAuthorization, Callback, Claim, Connect, Connecting, CreateKey, CreateUser, Creation,
        Disconnect, RemoveUser, Stores, UseConnection, Vault, VaultKey,
    },
    principal::Principal,
    seal::{KeyName, Sealed},
    service::Service,
    time::Timestamp,
};
use std::{fmt, sync::Arc, time::Duration};

/// Who says whose calendar it is.
pub const ISSUER: &str = "https://accounts.example.com";

/// A provider of this name.
pub fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).unwrap()
}

/// The provider of the cases.
pub fn google() -> ProviderName {
    provider("google")
}

/// The key of the vault of this number.
pub const fn key_name(number: u8) -> KeyName {
    KeyName::from_bytes([number; 8])
}

/// A key of the vault, with a proof.
pub fn vault_key(number: u8, proof: &[u8]) -> VaultKey {
    VaultKey { name: key_name(number), proof: Sealed::from_bytes(proof.to_vec()) }
}

/// Brings a key to a vault, beside whatever others are there.
///
/// # Errors
/// The store does not answer.
pub async fn bring(vault: &Arc<dyn Vault>, key: VaultKey, at: Timestamp) -> Answer<()> {
    loop {
        let known: Vec<_> = vault.keys().await?.into_iter().map(|known| known.name).collect();
        if vault.add_key(key.clone(), &known, at).await? {
            return Ok(());
        }
    }
}

/// What fits a transaction in all.
pub fn fitting(new: &NewAuthorization) -> Callback {
    Callback { state: new.state, binding: new.binding, provider: new.provider.clone() }
}

/// The millisecond before a time.
pub const fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis() - 1)
}

/// To use a connection.
pub fn using(connection: &Connection) -> Granted<UseConnection> {
    granted(connection)
}

/// To end a connection.
pub fn ending(connection: &Connection) -> Granted<Disconnect> {
    granted(connection)
}

/// A user, and a key of their account that links calendars for them.
#[derive(Debug, Clone)]
pub struct Linker {
    /// The account.
    pub account: Account,
    /// The user.
    pub user: User,
    /// The key.
    pub key: Key,
    /// Whoever holds the key.
    pub who: Principal,
}

impl Linker {
    /// The key's grant to begin to link a calendar of the user.
    pub fn begins(&self) -> Granted<BeginAuthorization> {
        grant(&proof(self.who), &self.user).ok().unwrap()
    }
    /// The grant to store what a callback brings.
    pub fn connects(&self) -> Granted<Connect> {
        granted(&self.user)
    }
}

impl Fixture {
    /// Makes a user of an account.
    pub async fn user(&self, account: &Account, address: &str) -> User {
        let new = self.new_user(address);
        let (id, grant) = (new.id, granted::<CreateUser>(&hub(account)));
        assert_eq!(self.stores.users.create(&grant, new, None).await.unwrap(), Creation::Done(()));
        self.stores.users.read(everything(), id).await.unwrap().unwrap()
    }

    /// Brings a key to the vault.
    pub async fn bring(&self, key: VaultKey) {
        bring(&self.stores.vault, key, self.at()).await.unwrap();
    }

    /// Removes a user.
    pub async fn remove_user(&self, user: &User) {
        assert!(self.stores.users.remove(&granted::<RemoveUser>(user), self.at()).await.unwrap());
    }

    /// A user of an account of their own, with a key.
    pub async fn linker(&self, address: &str) -> Linker {
        let account = self.account().await;
        self.linker_of(&account, address).await
    }

    /// A user of an account, with a key.
    pub async fn linker_of(&self, account: &Account, address: &str) -> Linker {
        self.linker_until(account, address, None).await
    }

    /// A user of an account, with a key that ends. The vault has its first key from then on.
    pub async fn linker_until(&self, account: &Account, address: &str, end: Option<Timestamp>) -> Linker {
        self.bring(vault_key(1, b"proof")).await;
        let rights = unbounded(Rights { expires_at: end, ..all_rights(Service::Hub) });
        let new = NewKey { rights, ..self.new_key(Service::Hub) };
        let (id, digest) = (new.id, new.secret.digest);
        let made = self.stores.keys.create(&granted::<CreateKey>(&hub(account)), new, None).await.unwrap();
        assert!(matches!(made, Creation::Done(_)), "{made:?}");
        let key = self.stores.keys.read(Service::Hub, everything(), id).await.unwrap().unwrap();
        let found = self.stores.key_index.find(Service::Hub, &digest).await.unwrap().unwrap();
        let (user, who) = (self.user(account, address).await, Principal::Key(found.principal));
        Linker { account: account.clone(), user, key, who }
    }

    /// A transaction that is to begin.
    pub fn new_authorization(&self) -> NewAuthorization {
        let at = self.at();
        NewAuthorization {
            state: self.digest(),
            binding: self.digest(),
            provider: google(),
            redirect_after: "https://app.example.com/linked".to_owned(),
            at,
            expires_at: at + AUTHORIZATION_LIFE,
        }
    }

    /// Begins a transaction, by the key of a user's account.
    pub async fn begin_linking(&self, linker: &Linker, new: NewAuthorization) -> Creation {
        self.stores.authorizations.begin(&linker.begins(), new).await.unwrap()
    }

    /// A transaction that was begun.
    pub async fn linking(&self, linker: &Linker) -> NewAuthorization {
        let new = self.new_authorization();
        assert_eq!(self.begin_linking(linker, new.clone()).await, Creation::Done(()));
        new
    }

    /// Tokens that a key sealed: others each time.
    pub fn sealed(&self, key: KeyName) -> SealedTokens {
        let mut text = [0; 48];
        self.entropy().fill(&mut text);
        SealedTokens { key, sealed: Sealed::from_bytes([key.as_bytes().as_slice(), &text].concat()) }
    }

    /// What a callback brought: the calendar of this subject.
    pub fn new_connection(&self, linker: &Linker, subject: &str) -> NewConnection {
        let at = self.at();
        NewConnection {
            id: ConnectionId::draw(at, self.entropy()),
            provider: google(),
            begun_by: linker.key.id,
            subject: Subject { issuer: ISSUER.to_owned(), subject: subject.to_owned() },
            address: Some(email("alice@example.com")),
            scopes: Scopes::parse("calendar.events.readonly openid").unwrap(),
            tokens: self.sealed(key_name(1)),
            expires_at: at + Duration::from_secs(3600),
            at,
        }
    }

    /// Stores what a callback brought.
    pub async fn connect(&self, linker: &Linker, new: NewConnection) -> Connecting {
        self.stores.connections.connect(&linker.connects(), new).await.unwrap()
    }

    /// What another process reads of a user's connection with a provider.
    pub async fn connection(&self, linker: &Linker, provider: &ProviderName) -> Option<StoredConnection> {
        self.peer.connections.read(everything(), linker.user.id, provider).await.unwrap()
    }

    /// What another process reads of this connection, which is there.
    pub async fn now(&self, connection: &Connection) -> StoredConnection {
        let found = self.peer.connections.read(everything(), connection.user, &connection.provider);
        let found = found.await.unwrap().unwrap();
        assert_eq!(found.connection.id, connection.id);
        found
    }

    /// A calendar of a user that was linked.
    pub async fn connected(&self, linker: &Linker, subject: &str) -> StoredConnection {
        let new = self.new_connection(linker, subject);
        assert_eq!(self.connect(linker, new).await, Connecting::Done);
        self.connection(linker, &google()).await.unwrap()
    }

    /// Ends a connection; what it is then.
    pub async fn ended(&self, connection: &Connection) -> Connection {
        let grant = ending(connection);
        assert!(self.stores.connections.disconnect(&grant, self.at()).await.unwrap());
        self.now(connection).await.connection
    }

    /// A claim from now on.
    pub fn new_claim(&self) -> (Claim, Timestamp) {
        let at = self.at();
        (Claim::draw(at, self.entropy()), at)
    }

    /// Runs a command while a kind of write fails behind it: it fails, and leaves nothing of all that it writes.
    pub async fn leaves_nothing<T: fmt::Debug>(
        &self,
        (write, table): (&str, &str),
        command: impl Future<Output = Answer<T>> + Send,
    ) {
        let place = self.place.as_ref().unwrap();
        let before = place.dump().await;
        place.break_writes(write, table).await;
        let answer = command.await;
        place.mend_writes(table).await;
        assert!(answer.is_err(), "{write} of {table} fails: {answer:?}");
        assert_eq!(crate::place::changes(&before, &place.dump().await), [""; 0], "{write} of {table}");
    }

    /// Both openings of the store.
    pub const fn both(&self) -> [&Stores; 2] {
        [&self.stores, &self.peer]
    }
}
