//! Connections of users with providers of calendars.

use super::audit;
use crate::{Conn, Store};
use auth_core::{
    audit::{ChainKey, Event},
    id::{ConnectionId, UserId},
    model::{
        Connection, ConnectionStatus, NewConnection, ProviderName, Scopes, SealedTokens, Status,
        StoredConnection, Subject, Version,
    },
    policy::{Action, Granted, Scope},
    port::{Answer, Claim, Connect, Connecting, Connections, Disconnect},
    seal::{KeyName, Sealed},
    time::Timestamp,
};
use auth_store_sql::{
    Done, Failure, row,
    schema::{
        accounts,
        connections::{self, dsl},
        keys, users, vault_keys,
    },
    scoped,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable,
};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
pub(super) struct ConnectionRow {
    id: Vec<u8>,
    account_id: Vec<u8>,
    user_id: Vec<u8>,
    provider: String,
    issuer: String,
    subject: String,
    address: Option<String>,
    scopes: String,
    status: String,
    key_name: Vec<u8>,
    tokens: Vec<u8>,
    expires_at: i64,
    connected_at: i64,
    claim: Option<Vec<u8>>,
    failed_revocations: i64,
    version: i64,
}

impl ConnectionRow {
    pub(super) fn read(self) -> Done<StoredConnection> {
        let scopes = Scopes::parse(&self.scopes).map_err(|error| Failure::Damaged(error.to_string()))?;
        let failed = u32::try_from(self.failed_revocations);
        let connection = Connection {
            id: row::connection_id(&self.id)?,
            account: row::account_id(&self.account_id)?,
            user: row::user_id(&self.user_id)?,
            provider: row::text(&self.provider)?,
            subject: Subject { issuer: self.issuer, subject: self.subject },
            address: self.address.as_deref().map(row::text).transpose()?,
            scopes,
            status: row::word(ConnectionStatus::parse(&self.status), &self.status)?,
            expires_at: row::time(self.expires_at),
            connected_at: row::time(self.connected_at),
            failed_revocations: failed.map_err(|_| Failure::Damaged("a count below nothing".to_owned()))?,
            version: row::version(self.version),
        };
        let tokens = SealedTokens {
            key: KeyName::from_bytes(row::bytes(&self.key_name)?),
            sealed: Sealed::from_bytes(self.tokens),
        };
        Ok(StoredConnection { connection, tokens })
    }

    /// Whether somebody has a claim on it.
    pub(super) fn is_claimed(&self, at: Timestamp) -> bool {
        self.claim.as_deref().and_then(Claim::end_of_stored).is_some_and(|end| end > at)
    }
    /// Whether this claim on it stands.
    pub(super) fn is_claimed_by(&self, claim: Claim) -> bool {
        self.claim.as_deref() == Some(claim.to_stored().as_slice())
    }
    /// Whether it is in this state.
    pub(super) fn is(&self, status: ConnectionStatus) -> bool {
        self.status == status.name()
    }
}

/// A row by its identifier.
pub(super) async fn find(conn: &mut Conn, id: ConnectionId) -> Done<Option<ConnectionRow>> {
    Ok(connections::table.find(id.as_bytes().to_vec()).first(conn).await.optional()?)
}

/// Whether the vault has a key of this name.
pub(super) async fn is_of_vault(conn: &mut Conn, key: KeyName) -> Done<bool> {
    let key = vault_keys::table.find(key.as_bytes().to_vec()).count();
    Ok(key.get_result::<i64>(conn).await? > 0)
}

/// Whether what a callback brings has somebody to belong to: the user, in an account that is in use, by a key that is live.
async fn is_wanted(conn: &mut Conn, grant: &Granted<Connect>, new: &NewConnection) -> Done<bool> {
    let Some(tenant) = grant.tenant() else { return Ok(false) };
    let account = tenant.account.as_bytes().to_vec();
    let user = users::table
        .find(grant.target().as_bytes().to_vec())
        .filter(users::account_id.eq(account.clone()))
        .count();
    let active = accounts::table.find(account).filter(accounts::status.eq(Status::Active.name())).count();
    let key = keys::table
        .find(new.begun_by.as_bytes().to_vec())
        .filter(keys::revoked_at.is_null())
        .filter(keys::expires_at.is_null().or(keys::expires_at.gt(new.at.millis()).assume_not_null()))
        .count();
    Ok(user.get_result::<i64>(conn).await? > 0
        && active.get_result::<i64>(conn).await? > 0
        && key.get_result::<i64>(conn).await? > 0)
}

/// Ends all connections of a user who is being removed.
pub(super) async fn end_all<A: Action>(
    conn: &mut Conn,
    chain: &ChainKey,
    grant: &Granted<A>,
    user: UserId,
    at: Timestamp,
) -> Done<()> {
    let live = dsl::connections
        .filter(dsl::user_id.eq(user.as_bytes().to_vec()))
        .filter(dsl::status.ne(ConnectionStatus::Disconnecting.name()))
        .select(dsl::id);
    let live: Vec<Vec<u8>> = live.load(conn).await?;
    for id in live {
        let connection = row::connection_id(&id)?;
        end(conn, connection).await?;
        audit::write(conn, chain, grant, at, Event::CalendarDisconnected { connection }).await?;
    }
    Ok(())
}

async fn end(conn: &mut Conn, id: ConnectionId) -> Done<()> {
    let ended = (dsl::status.eq(ConnectionStatus::Disconnecting.name()), dsl::version.eq(dsl::version + 1));
    diesel::update(connections::table.find(id.as_bytes().to_vec())).set(ended).execute(conn).await?;
    Ok(())
}

#[async_trait::async_trait]
impl Connections for Store {
    async fn list(&self, scope: Scope, user: UserId) -> Answer<Vec<Connection>> {
        self.read(async move |conn| {
            let of_user = connections::table.filter(dsl::user_id.eq(user.as_bytes().to_vec())).into_boxed();
            let query = scoped!(of_user, scope, account: dsl::account_id, domain: none);
            let rows: Vec<ConnectionRow> = query.order(dsl::provider.asc()).load(conn).await?;
            rows.into_iter().map(|row| Ok(row.read()?.connection)).collect()
        })
        .await
    }

    async fn read(
        &self,
        scope: Scope,
        user: UserId,
        provider: &ProviderName,
    ) -> Answer<Option<StoredConnection>> {
        let provider = provider.as_str().to_owned();
        self.read(async move |conn| {
            let own = connections::table
                .filter(dsl::user_id.eq(user.as_bytes().to_vec()))
                .filter(dsl::provider.eq(provider))
                .into_boxed();
            let query = scoped!(own, scope, account: dsl::account_id, domain: none);
            let found: Option<ConnectionRow> = query.first(conn).await.optional()?;
            found.map(ConnectionRow::read).transpose()
        })
        .await
    }

    async fn linked(
        &self,
        grant: &Granted<Connect>,
        provider: &ProviderName,
    ) -> Answer<Option<ConnectionId>> {
        let (user, provider) = (grant.target().as_bytes().to_vec(), provider.as_str().to_owned());
        self.read(async move |conn| {
            let own = dsl::connections.filter(dsl::user_id.eq(user)).filter(dsl::provider.eq(provider));
            let found: Option<Vec<u8>> = own.select(dsl::id).first(conn).await.optional()?;
            found.map(|id| row::connection_id(&id)).transpose()
        })
        .await
    }

    async fn connect(&self, grant: &Granted<Connect>, new: NewConnection) -> Answer<Connecting> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            if !is_wanted(conn, &grant, &new).await? {
                return Ok(Connecting::Gone);
            }
            if !is_of_vault(conn, new.tokens.key).await? {
                return Ok(Connecting::KeyRetired);
            }
            let user = grant.target();
            let own = connections::table
                .filter(dsl::user_id.eq(user.as_bytes().to_vec()))
                .filter(dsl::provider.eq(new.provider.as_str().to_owned()));
            let own: Option<ConnectionRow> = own.first(conn).await.optional()?;
            let Subject { issuer, subject } = new.subject;
            let same = connections::table
                .filter(dsl::issuer.eq(issuer.clone()))
                .filter(dsl::subject.eq(subject.clone()));
            let same: Option<ConnectionRow> = same.first(conn).await.optional()?;
            let id = new.id.as_bytes().to_vec();
            match (&own, &same) {
                (Some(own), _) if own.id != id || own.is(ConnectionStatus::Disconnecting) => {
                    return Ok(Connecting::Busy);
                }
                (own, Some(same)) if own.as_ref().is_none_or(|own| own.id != same.id) => {
                    return Ok(Connecting::Linked);
                }
                (Some(_), None) => return Ok(Connecting::Occupied),
                _ => {}
            }
            let version = own.as_ref().map_or(Version::FIRST, |own| row::version(own.version).next());
            let given = (
                dsl::address.eq(new.address.map(|address| address.as_str().to_owned())),
                dsl::scopes.eq(new.scopes.to_string()),
                dsl::status.eq(ConnectionStatus::Active.name()),
                dsl::key_name.eq(new.tokens.key.as_bytes().to_vec()),
                dsl::tokens.eq(new.tokens.sealed.as_bytes().to_vec()),
                dsl::expires_at.eq(new.expires_at.millis()),
                dsl::connected_at.eq(new.at.millis()),
                dsl::claim.eq(None::<Vec<u8>>),
                dsl::failed_revocations.eq(0),
                dsl::version.eq(version.number()),
            );
            let changed = match own {
                Some(own) => diesel::update(connections::table.find(own.id)).set(given).execute(conn).await?,
                None => {
                    let Some(tenant) = grant.tenant() else { return Ok(Connecting::Gone) };
                    let named = (
                        dsl::id.eq(id),
                        dsl::account_id.eq(tenant.account.as_bytes().to_vec()),
                        dsl::user_id.eq(user.as_bytes().to_vec()),
                        dsl::provider.eq(new.provider.as_str().to_owned()),
                        dsl::issuer.eq(issuer),
                        dsl::subject.eq(subject),
                    );
                    diesel::insert_into(connections::table).values((named, given)).execute(conn).await?
                }
            };
            if changed != 1 {
                return Err(Failure::Damaged("a connection was stored more than once, or not".to_owned()));
            }
            let event = Event::CalendarConnected {
                connection: new.id,
                user,
                provider: new.provider.as_str().to_owned(),
                begun_by: new.begun_by,
            };
            audit::write(conn, &chain, &grant, new.at, event).await?;
            Ok(Connecting::Done)
        })
        .await
    }

    async fn disconnect(&self, grant: &Granted<Disconnect>, at: Timestamp) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let connection = grant.target();
            let found = find(conn, connection).await?;
            if found.is_none_or(|found| found.is(ConnectionStatus::Disconnecting)) {
                return Ok(false);
            }
            end(conn, connection).await?;
            audit::write(conn, &chain, &grant, at, Event::CalendarDisconnected { connection }).await?;
            Ok(true)
        })
        .await
    }

    async fn ended(&self, after: Option<ConnectionId>, limit: u16) -> Answer<Vec<Connection>> {
        self.read(async move |conn| {
            let mut ended = connections::table
                .filter(dsl::status.eq(ConnectionStatus::Disconnecting.name()))
                .into_boxed();
            if let Some(after) = after {
                ended = ended.filter(dsl::id.gt(after.as_bytes().to_vec()));
            }
            let rows: Vec<ConnectionRow> = ended.order(dsl::id.asc()).limit(limit.into()).load(conn).await?;
            rows.into_iter().map(|row| Ok(row.read()?.connection)).collect()
        })
        .await
    }
}
