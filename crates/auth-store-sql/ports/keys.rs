//! API keys, managed and looked up.

use super::{
    audit, notices,
    once::{self, answer_if_seen},
    sessions,
};
use crate::{Conn, Store, dialect};
use auth_core::{
    audit::Event,
    credential::NewSecret,
    id::KeyId,
    model::{Joining, Key, KeyPatch, KeyUse, NewKey, Page, Status, Version},
    policy::{Action, Bounded, Granted, Networks, Permissions, Rights, Scope},
    port::{
        About, Answer, Change, ChangeKey, CreateKey, Creation, FoundKey, ImportKeys, KeyIndex, Keys, Limits,
        Once, RevokeKey, RotateKey, Seq,
    },
    principal::{KeyPrincipal, Tenant},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    Done, Failure, row,
    schema::{accounts, domains, key_secrets, keys},
    scoped,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl;
use std::num::NonZeroU32;

#[derive(Queryable, Selectable)]
#[diesel(table_name = keys)]
struct KeyRow {
    id: Vec<u8>,
    service: String,
    account_id: Vec<u8>,
    domain_id: Option<Vec<u8>>,
    name: String,
    prefix: String,
    permissions: String,
    expires_at: Option<i64>,
    networks: String,
    rate_limit: Option<i64>,
    created_at: i64,
    use_count: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    version: i64,
}

impl KeyRow {
    fn rights(&self) -> Done<Rights> {
        let damaged = |what: &str| Failure::Damaged(format!("a key's {what} does not read"));
        let rate = self.rate_limit.map(|rate| u32::try_from(rate).ok().and_then(NonZeroU32::new));
        Ok(Rights {
            permissions: Permissions::from_stored(&self.permissions),
            expires_at: row::maybe_time(self.expires_at),
            networks: Networks::from_stored(&self.networks).map_err(|_| damaged("networks"))?,
            rate_limit: rate.map(|rate| rate.ok_or_else(|| damaged("rate limit"))).transpose()?,
        })
    }

    fn service(&self) -> Done<Service> {
        row::word(Service::parse(&self.service), &self.service)
    }

    fn read(self) -> Done<Key> {
        Ok(Key {
            id: row::key_id(&self.id)?,
            service: self.service()?,
            tenant: row::tenant(&self.account_id, self.domain_id.as_deref())?,
            name: row::text(&self.name)?,
            rights: self.rights()?,
            prefix: self.prefix,
            created_at: row::time(self.created_at),
            use_count: u64::try_from(self.use_count).unwrap_or(0),
            last_used_at: row::maybe_time(self.last_used_at),
            revoked_at: row::maybe_time(self.revoked_at),
            version: row::version(self.version),
        })
    }

    /// The row as a validator sees it: permissions of another service, which no code of ours writes, grant
    /// nothing.
    fn found(&self, secret_ends: Option<i64>, owner_active: bool) -> Done<FoundKey> {
        let service = self.service()?;
        let rights = self.rights()?;
        let tenant = row::tenant(&self.account_id, self.domain_id.as_deref())?;
        let end = [self.expires_at, secret_ends].into_iter().flatten().min();
        Ok(FoundKey {
            principal: KeyPrincipal {
                id: row::key_id(&self.id)?,
                service,
                tenant,
                permissions: rights
                    .permissions
                    .beyond(rights.permissions.beyond(Permissions::of_tenant(tenant, service))),
                expires_at: row::maybe_time(end),
                version: row::version(self.version),
            },
            limits: Limits { networks: rights.networks, rate_limit: rights.rate_limit },
            ended: self.revoked_at.is_some() || !owner_active,
        })
    }
}

async fn find(conn: &mut Conn, service: Service, scope: Scope, id: KeyId) -> Done<Option<Key>> {
    let query = keys::table
        .filter(keys::id.eq(id.as_bytes().to_vec()))
        .filter(keys::service.eq(service.name()))
        .into_boxed();
    let found: Option<KeyRow> = scoped!(query, scope, account: keys::account_id, domain: keys::domain_id)
        .first(conn)
        .await
        .optional()?;
    found.map(KeyRow::read).transpose()
}

/// A live key at a version, whatever its service: the target of a granted change.
async fn find_live(conn: &mut Conn, id: KeyId, version: Version) -> Done<Option<Key>> {
    let query = keys::table
        .filter(keys::id.eq(id.as_bytes().to_vec()))
        .filter(keys::version.eq(version.number()))
        .filter(keys::revoked_at.is_null());
    let found: Option<KeyRow> = query.first(conn).await.optional()?;
    found.map(KeyRow::read).transpose()
}

/// Whether the key that makes something is still as it was when it was judged, and so is whose it is.
pub(crate) async fn maker_stands(conn: &mut Conn, maker: Option<(KeyId, Version)>) -> Done<bool> {
    let Some((id, version)) = maker else { return Ok(true) };
    let active = Status::Active.name();
    let live = keys::table
        .inner_join(accounts::table)
        .left_join(domains::table)
        .filter(keys::id.eq(id.as_bytes().to_vec()))
        .filter(keys::version.eq(version.number()))
        .filter(keys::revoked_at.is_null())
        .filter(accounts::status.eq(active))
        .filter(keys::domain_id.is_null().or(domains::status.nullable().eq(active)));
    Ok(live.count().get_result::<i64>(conn).await? > 0)
}

/// Whether whoever makes or changes a key may still: the key whose rights bound it, and the person who does it.
async fn may_still<A: Action>(
    conn: &mut Conn,
    grant: &Granted<A>,
    rights: &Bounded,
    at: Timestamp,
) -> Done<bool> {
    Ok(maker_stands(conn, rights.maker()).await? && sessions::stands(conn, grant.who(), at).await?)
}

/// Inserts a key with its first secret; `false` where the secret is known.
async fn insert(conn: &mut Conn, tenant: Tenant, new: &NewKey, announced: Seq) -> Done<bool> {
    if (new.service == Service::Chatbot) != tenant.domain.is_some() {
        return Err(Failure::Damaged(
            "a key of the Hub has no domain, one of the chatbot service has".to_owned(),
        ));
    }
    if tenant == Tenant::PLATFORM {
        make_platform(conn, new.at).await?;
    }
    let known = key_secrets::table.filter(key_secrets::digest.eq(new.secret.digest.as_bytes().to_vec()));
    if known.count().get_result::<i64>(conn).await? > 0 {
        return Ok(false);
    }
    let rights = new.rights.rights();
    let row = (
        keys::id.eq(new.id.as_bytes().to_vec()),
        keys::service.eq(new.service.name()),
        keys::account_id.eq(tenant.account.as_bytes().to_vec()),
        keys::domain_id.eq(tenant.domain.map(|domain| domain.as_bytes().to_vec())),
        keys::name.eq(new.name.as_str()),
        keys::prefix.eq(new.secret.prefix.as_str()),
        keys::permissions.eq(rights.permissions.to_stored()),
        keys::expires_at.eq(rights.expires_at.map(Timestamp::millis)),
        keys::networks.eq(rights.networks.to_stored()),
        keys::rate_limit.eq(rights.rate_limit.map(|rate| i64::from(rate.get()))),
        keys::created_at.eq(new.at.millis()),
        keys::version.eq(Version::FIRST.number()),
    );
    diesel::insert_into(keys::table).values(row).execute(conn).await?;
    insert_secret(conn, new.id, &new.secret, announced).await?;
    Ok(true)
}

/// Makes the tenant of the platform's own keys, where it is not there. Nobody can name it, so nobody belongs to it.
async fn make_platform(conn: &mut Conn, at: Timestamp) -> Done<()> {
    let Tenant { account, domain } = Tenant::PLATFORM;
    let (account, domain) = (account.as_bytes().to_vec(), domain.map(|domain| domain.as_bytes().to_vec()));
    let row = (
        accounts::id.eq(account.clone()),
        accounts::name.eq("Platform"),
        accounts::status.eq(Status::Active.name()),
        accounts::created_at.eq(at.millis()),
        accounts::version.eq(Version::FIRST.number()),
    );
    diesel::insert_into(accounts::table)
        .values(row)
        .on_conflict(accounts::id)
        .do_nothing()
        .execute(conn)
        .await?;
    let row = (
        domains::id.eq(domain.unwrap_or_default()),
        domains::account_id.eq(account),
        domains::name.eq(""),
        domains::status.eq(Status::Active.name()),
        domains::origins.eq(""),
        domains::created_at.eq(at.millis()),
        domains::version.eq(Version::FIRST.number()),
        domains::joining.eq(Joining::ByApproval.name()),
    );
    diesel::insert_into(domains::table)
        .values(row)
        .on_conflict(domains::id)
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert_secret(conn: &mut Conn, key: KeyId, secret: &NewSecret, announced: Seq) -> Done<()> {
    let row = (
        key_secrets::digest.eq(secret.digest.as_bytes().to_vec()),
        key_secrets::key_id.eq(key.as_bytes().to_vec()),
        key_secrets::announced.eq(announced.0),
    );
    diesel::insert_into(key_secrets::table).values(row).execute(conn).await?;
    Ok(())
}

#[async_trait::async_trait]
impl Keys for Store {
    async fn read(&self, service: Service, scope: Scope, id: KeyId) -> Answer<Option<Key>> {
        self.read(async move |conn| find(conn, service, scope, id).await).await
    }

    async fn list(&self, service: Service, scope: Scope, page: Page) -> Answer<Vec<Key>> {
        self.read(async move |conn| {
            let query = keys::table.filter(keys::service.eq(service.name())).into_boxed();
            let mut query = scoped!(query, scope, account: keys::account_id, domain: keys::domain_id);
            if let Some(before) = page.before {
                query = query.filter(keys::id.lt(before.to_vec()));
            }
            let rows: Vec<KeyRow> = query.order(keys::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(KeyRow::read).collect()
        })
        .await
    }

    async fn create(
        &self,
        grant: &Granted<CreateKey>,
        new: NewKey,
        once: Option<Once>,
    ) -> Answer<Creation<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            if !may_still(conn, &grant, &new.rights, new.at).await? {
                return Ok(Creation::Stale);
            }
            let announced = notices::next(conn).await?;
            if !insert(conn, grant.target(), &new, announced).await? {
                return Ok(Creation::Taken);
            }
            once::remember(conn, new.service, once, new.at).await?;
            let event = Event::key_made(new.id, new.service, new.rights.rights(), false);
            audit::write(conn, &chain, &grant, new.at, event).await?;
            Ok(Creation::Done(notices::announce(conn, About::NewSecrets, false).await?))
        })
        .await
    }

    async fn import(
        &self,
        grant: &Granted<ImportKeys>,
        new: Vec<(Tenant, NewKey)>,
    ) -> Answer<(Vec<bool>, Seq)> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let announced = notices::next(conn).await?;
            let mut made = Vec::with_capacity(new.len());
            for (tenant, key) in new {
                let done = insert(conn, tenant, &key, announced).await?;
                if done {
                    let event = Event::key_made(key.id, key.service, key.rights.rights(), true);
                    let mut entry = auth_core::audit::Entry::granted(key.at, &grant, &event);
                    entry.tenant = Some(tenant);
                    audit::append(conn, &chain, vec![entry]).await?;
                }
                made.push(done);
            }
            Ok((made, notices::announce(conn, About::NewSecrets, false).await?))
        })
        .await
    }

    async fn change(
        &self,
        grant: &Granted<ChangeKey>,
        version: Version,
        patch: KeyPatch,
        rights: Bounded,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let Some(now) = find_live(conn, grant.target(), version).await? else { return Ok(Change::Stale) };
            if !may_still(conn, &grant, &rights, at).await? {
                return Ok(Change::Stale);
            }
            let changed = Key {
                name: patch.name.over(&now.name),
                rights: rights.rights().clone(),
                version: version.next(),
                ..now
            };
            let row = (
                keys::name.eq(changed.name.as_str()),
                keys::permissions.eq(changed.rights.permissions.to_stored()),
                keys::expires_at.eq(changed.rights.expires_at.map(Timestamp::millis)),
                keys::networks.eq(changed.rights.networks.to_stored()),
                keys::rate_limit.eq(changed.rights.rate_limit.map(|rate| i64::from(rate.get()))),
                keys::version.eq(changed.version.number()),
            );
            diesel::update(keys::table.find(changed.id.as_bytes().to_vec())).set(row).execute(conn).await?;
            let event = Event::key_changed(changed.id, &changed.rights);
            audit::write(conn, &chain, &grant, at, event).await?;
            let seq = notices::announce(conn, About::Key(changed.id), false).await?;
            Ok(Change::Done((changed, seq)))
        })
        .await
    }

    async fn rotate(
        &self,
        grant: &Granted<RotateKey>,
        version: Version,
        rights: Bounded,
        secret: NewSecret,
        old_until: Timestamp,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let Some(now) = find_live(conn, grant.target(), version).await? else { return Ok(Change::Stale) };
            if !may_still(conn, &grant, &rights, at).await? {
                return Ok(Change::Stale);
            }
            let id = now.id.as_bytes().to_vec();
            let ends = if old_until > at { old_until } else { Timestamp::EPOCH };
            let later = key_secrets::ends_at.is_null().or(key_secrets::ends_at.gt(ends.millis()));
            let old = key_secrets::table.filter(key_secrets::key_id.eq(id.clone())).filter(later);
            diesel::update(old).set(key_secrets::ends_at.eq(ends.millis())).execute(conn).await?;
            // Two notices, one command: what is known of the key is read again, and its new secret is known.
            notices::announce(conn, About::Key(now.id), false).await?;
            let announced = notices::next(conn).await?;
            insert_secret(conn, now.id, &secret, announced).await?;
            let rotated = Key { prefix: secret.prefix, version: version.next(), ..now };
            let row = (keys::prefix.eq(rotated.prefix.as_str()), keys::version.eq(rotated.version.number()));
            diesel::update(keys::table.find(id)).set(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::KeyRotated { key: rotated.id, old_until }).await?;
            let seq = notices::announce(conn, About::NewSecrets, false).await?;
            Ok(Change::Done((rotated, seq)))
        })
        .await
    }

    async fn revoke(&self, grant: &Granted<RevokeKey>, at: Timestamp) -> Answer<Option<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let key = grant.target();
            let live =
                keys::table.filter(keys::id.eq(key.as_bytes().to_vec())).filter(keys::revoked_at.is_null());
            let row = (keys::revoked_at.eq(at.millis()), keys::version.eq(keys::version + 1));
            if diesel::update(live).set(row).execute(conn).await? == 0 {
                return Ok(None);
            }
            audit::write(conn, &chain, &grant, at, Event::KeyRevoked { key }).await?;
            Ok(Some(notices::announce(conn, About::Key(key), true).await?))
        })
        .await
    }
}

/// Secrets that are read at once: no statement takes long.
const AT_ONCE: usize = 100_000;

/// The secrets of a service that were announced after a number; `None` where they are too many to be read at once.
async fn digests_since(conn: &mut Conn, service: Service, after: Seq) -> Done<Option<Vec<TokenDigest>>> {
    let query = key_secrets::table
        .inner_join(keys::table)
        .filter(key_secrets::announced.gt(after.0))
        .filter(keys::service.eq(service.name()))
        .limit(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
        .select(key_secrets::digest);
    let rows: Vec<Vec<u8>> = query.load(conn).await?;
    if rows.len() == AT_ONCE { Ok(None) } else { digests(rows).map(Some) }
}

/// The next part of all secrets of a service, in the order of their digests.
async fn digests_behind(
    conn: &mut Conn,
    service: Service,
    last: Option<TokenDigest>,
) -> Done<Vec<TokenDigest>> {
    let last = last.map_or_else(Vec::new, |last| last.as_bytes().to_vec());
    let query = key_secrets::table
        .inner_join(keys::table)
        .filter(key_secrets::digest.gt(last))
        .filter(keys::service.eq(service.name()))
        .order(key_secrets::digest.asc())
        .limit(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
        .select(key_secrets::digest);
    digests(query.load(conn).await?)
}

fn digests(rows: Vec<Vec<u8>>) -> Done<Vec<TokenDigest>> {
    rows.iter().map(|digest| row::bytes(digest).map(TokenDigest::from_bytes)).collect()
}

#[async_trait::async_trait]
impl KeyIndex for Store {
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>> {
        let digest = *digest;
        self.read(async move |conn| {
            let query = key_secrets::table
                .inner_join(keys::table.inner_join(accounts::table))
                .left_join(domains::table.on(keys::domain_id.eq(domains::id.nullable())))
                .filter(key_secrets::digest.eq(digest.as_bytes().to_vec()))
                .filter(keys::service.eq(service.name()))
                .select((
                    KeyRow::as_select(),
                    key_secrets::ends_at,
                    accounts::status,
                    domains::status.nullable(),
                ));
            let found: Option<(KeyRow, Option<i64>, String, Option<String>)> =
                query.first(conn).await.optional()?;
            let Some((key, ends_at, account, domain)) = found else { return Ok(None) };
            let active = |status: &str| Status::parse(status) == Some(Status::Active);
            let owner_active = active(&account) && domain.as_deref().is_none_or(active);
            key.found(ends_at, owner_active).map(Some)
        })
        .await
    }

    async fn digests_since(&self, service: Service, after: Seq) -> Answer<Vec<TokenDigest>> {
        if after > Seq(0)
            && let Some(few) = self.read(async move |conn| digests_since(conn, service, after).await).await?
        {
            return Ok(few);
        }
        let mut all: Vec<TokenDigest> = Vec::new();
        loop {
            let last = all.last().copied();
            let part = self.read(async move |conn| digests_behind(conn, service, last).await).await?;
            let is_over = part.len() < AT_ONCE;
            all.extend(part);
            if is_over {
                return Ok(all);
            }
        }
    }

    async fn touch(&self, uses: &[KeyUse]) -> Answer<()> {
        let uses = uses.to_vec();
        self.write(async move |conn| dialect::touch(conn, uses).await).await
    }
}
