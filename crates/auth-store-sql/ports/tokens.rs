//! Temporary tokens and sessions.

use super::{
    audit,
    keys::maker_stands,
    notices,
    once::{self, answer_if_seen},
};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::{DomainId, TokenId},
    model::{NewToken, Page, Status, Token},
    policy::{Granted, Scope},
    port::{
        About, Answer, Creation, FoundToken, MOST_OPENED, MintToken, Once, OpenSession, RevokeToken, Seq,
        Tokens,
    },
    principal::{Principal, TokenKind},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    BATCH, Done, row,
    schema::{accounts, domains, keys, tokens},
    scoped,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    dsl::{count_star, min},
};
use diesel_async::RunQueryDsl;

#[derive(Queryable, Selectable)]
#[diesel(table_name = tokens)]
struct TokenRow {
    id: Vec<u8>,
    kind: String,
    domain_id: Vec<u8>,
    parent: Option<Vec<u8>>,
    opened_by: Option<Vec<u8>>,
    username: String,
    language: Option<String>,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

/// A token with the account that owns its domain, the domain's name, and the end of its key.
type Joined = (TokenRow, Vec<u8>, String, Option<i64>);

fn read((token, account, domain_name, key_ends): Joined) -> Done<Token> {
    let end = key_ends.map_or(token.expires_at, |end| token.expires_at.min(end));
    Ok(Token {
        id: row::token_id(&token.id)?,
        kind: row::word(TokenKind::parse(&token.kind), &token.kind)?,
        account: row::account_id(&account)?,
        domain: row::domain_id(&token.domain_id)?,
        domain_name: row::text(&domain_name)?,
        parent: token.parent.as_deref().map(row::key_id).transpose()?,
        opened_by: token.opened_by.as_deref().map(row::token_id).transpose()?,
        username: row::text(&token.username)?,
        language: token.language.as_deref().map(row::text).transpose()?,
        created_at: row::time(token.created_at),
        expires_at: row::time(end),
        revoked_at: row::maybe_time(token.revoked_at),
    })
}

/// Tokens within a scope, with what [`read`] needs.
macro_rules! joined {
    ($scope:expr) => {{
        let query = tokens::table
            .inner_join(domains::table)
            .left_join(keys::table)
            .select((
                TokenRow::as_select(),
                domains::account_id,
                domains::name,
                keys::expires_at.nullable(),
            ))
            .into_boxed();
        scoped!(query, $scope, account: domains::account_id, domain: tokens::domain_id)
    }};
}

/// Whether what a new token hangs on is live: its domain and account, its key, and the token that opens it.
async fn origin_is_live(conn: &mut Conn, domain: DomainId, new: &NewToken) -> Done<bool> {
    let at = new.at.millis();
    let owner = domains::table
        .inner_join(accounts::table)
        .filter(domains::id.eq(domain.as_bytes().to_vec()))
        .filter(domains::status.eq(Status::Active.name()))
        .filter(accounts::status.eq(Status::Active.name()));
    let mut live = owner.count().get_result::<i64>(conn).await? > 0;
    if let Some(parent) = new.parent {
        let key = keys::table
            .filter(keys::id.eq(parent.as_bytes().to_vec()))
            .filter(keys::revoked_at.is_null())
            .filter(keys::expires_at.is_null().or(keys::expires_at.gt(at)));
        live &= key.count().get_result::<i64>(conn).await? > 0;
    }
    if let Some(opener) = new.opened_by {
        // Only a temporary token opens sessions, so what a token opened opened nothing itself.
        let token = tokens::table
            .filter(tokens::id.eq(opener.as_bytes().to_vec()))
            .filter(tokens::kind.eq(TokenKind::Temp.name()))
            .filter(tokens::domain_id.eq(domain.as_bytes().to_vec()))
            .filter(tokens::revoked_at.is_null())
            .filter(tokens::expires_at.gt(at));
        live &= token.count().get_result::<i64>(conn).await? > 0;
    }
    Ok(live)
}

/// Inserts a token; *stale* where what it hangs on was ended.
async fn insert(conn: &mut Conn, domain: DomainId, new: &NewToken) -> Done<Creation> {
    if !origin_is_live(conn, domain, new).await? {
        return Ok(Creation::Stale);
    }
    let row = (
        tokens::id.eq(new.id.as_bytes().to_vec()),
        tokens::digest.eq(new.digest.as_bytes().to_vec()),
        tokens::kind.eq(new.kind.name()),
        tokens::domain_id.eq(domain.as_bytes().to_vec()),
        tokens::parent.eq(new.parent.map(|parent| parent.as_bytes().to_vec())),
        tokens::opened_by.eq(new.opened_by.map(|opener| opener.as_bytes().to_vec())),
        tokens::username.eq(new.username.as_str()),
        tokens::language.eq(new.language.as_ref().map(|language| language.as_str())),
        tokens::created_at.eq(new.at.millis()),
        tokens::expires_at.eq(new.expires_at.millis()),
    );
    diesel::insert_into(tokens::table).values(row).execute(conn).await?;
    Ok(Creation::Done(()))
}

#[async_trait::async_trait]
impl Tokens for Store {
    async fn find(&self, digest: &TokenDigest) -> Answer<Option<FoundToken>> {
        let digest = digest.as_bytes().to_vec();
        self.read(async move |conn| {
            let query = tokens::table
                .inner_join(domains::table.inner_join(accounts::table))
                .left_join(keys::table)
                .filter(tokens::digest.eq(digest))
                .select((
                    TokenRow::as_select(),
                    domains::account_id,
                    domains::name,
                    domains::status,
                    accounts::status,
                    keys::revoked_at.nullable(),
                    keys::expires_at.nullable(),
                ));
            type Found = (TokenRow, Vec<u8>, String, String, String, Option<i64>, Option<i64>);
            let found: Option<Found> = query.first(conn).await.optional()?;
            let Some((token, owner, name, domain, account, parent_revoked, parent_ends)) = found else {
                return Ok(None);
            };
            let token = read((token, owner, name, parent_ends))?;
            let active = |status: &str| Status::parse(status) == Some(Status::Active);
            let ended = token.revoked_at.is_some()
                || parent_revoked.is_some()
                || !active(&domain)
                || !active(&account);
            Ok(Some(FoundToken { principal: token.principal(), ended }))
        })
        .await
    }

    async fn by_digest(&self, scope: Scope, digest: &TokenDigest) -> Answer<Option<Token>> {
        let digest = digest.as_bytes().to_vec();
        self.read(async move |conn| {
            let found: Option<Joined> =
                joined!(scope).filter(tokens::digest.eq(digest)).first(conn).await.optional()?;
            found.map(read).transpose()
        })
        .await
    }

    async fn read(&self, scope: Scope, id: TokenId) -> Answer<Option<Token>> {
        self.read(async move |conn| {
            let id = id.as_bytes().to_vec();
            let found: Option<Joined> =
                joined!(scope).filter(tokens::id.eq(id)).first(conn).await.optional()?;
            found.map(read).transpose()
        })
        .await
    }

    async fn list(&self, kind: TokenKind, scope: Scope, page: Page) -> Answer<Vec<Token>> {
        self.read(async move |conn| {
            let mut query = joined!(scope).filter(tokens::kind.eq(kind.name()));
            if let Some(before) = page.before {
                query = query.filter(tokens::id.lt(before.to_vec()));
            }
            let rows: Vec<Joined> =
                query.order(tokens::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(read).collect()
        })
        .await
    }

    async fn mint(&self, grant: &Granted<MintToken>, new: NewToken, once: Option<Once>) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            let Some(domain) = grant.target().domain else { return Ok(Creation::Stale) };
            let maker = match grant.who() {
                Some(Principal::Key(key)) if new.parent == Some(key.id) => Some((key.id, key.version)),
                _ => None,
            };
            if !maker_stands(conn, maker).await? {
                return Ok(Creation::Stale);
            }
            let done = insert(conn, domain, &new).await?;
            if done == Creation::Done(()) {
                once::remember(conn, Service::Chatbot, once, new.at).await?;
                audit::write(conn, &chain, &grant, new.at, Event::token_made(new.id, new.kind)).await?;
            }
            Ok(done)
        })
        .await
    }

    async fn open(&self, grant: &Granted<OpenSession>, new: NewToken) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            if let Some(opener) = new.opened_by
                && let Some(until) = full_until(conn, opener, new.at).await?
            {
                return Ok(Creation::Full(until));
            }
            let done = insert(conn, grant.target(), &new).await?;
            if done == Creation::Done(()) {
                audit::write(conn, &chain, &grant, new.at, Event::token_made(new.id, new.kind)).await?;
            }
            Ok(done)
        })
        .await
    }

    async fn revoke(&self, grant: &Granted<RevokeToken>, at: Timestamp) -> Answer<Option<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let token = grant.target();
            let live = tokens::table
                .filter(tokens::id.eq(token.as_bytes().to_vec()))
                .filter(tokens::revoked_at.is_null());
            if diesel::update(live).set(tokens::revoked_at.eq(at.millis())).execute(conn).await? == 0 {
                return Ok(None);
            }
            audit::write(conn, &chain, &grant, at, Event::TokenRevoked { token }).await?;
            let own = notices::announce(conn, About::Token(token), true).await?;
            let last = notices::announce_opened_by(conn, token).await?;
            end_opened_by(conn, token, at).await?;
            Ok(Some(last.unwrap_or(own)))
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Answer<usize> {
        let mut forgotten = 0;
        loop {
            let some = self.write(async move |conn| forget_some(conn, before).await).await?;
            forgotten += some;
            if some < usize::from(BATCH) {
                return Ok(forgotten);
            }
        }
    }
}

/// Until when a token has opened as many live sessions as may be, if it has.
async fn full_until(conn: &mut Conn, token: TokenId, at: Timestamp) -> Done<Option<Timestamp>> {
    let live = tokens::table
        .filter(tokens::opened_by.eq(token.as_bytes().to_vec()))
        .filter(tokens::revoked_at.is_null())
        .filter(tokens::expires_at.gt(at.millis()));
    let (count, first): (i64, Option<i64>) =
        live.select((count_star(), min(tokens::expires_at))).first(conn).await?;
    Ok(row::maybe_time(first).filter(|_| count >= i64::from(MOST_OPENED)))
}

/// Ends the sessions that a token opened: also those that are over by this clock, since it may be ahead, and step back.
async fn end_opened_by(conn: &mut Conn, token: TokenId, at: Timestamp) -> Done<()> {
    let open = tokens::table
        .filter(tokens::opened_by.eq(token.as_bytes().to_vec()))
        .filter(tokens::revoked_at.is_null());
    diesel::update(open).set(tokens::revoked_at.eq(at.millis())).execute(conn).await?;
    Ok(())
}

/// Forgets a batch of tokens, sessions before what opened them.
async fn forget_some(conn: &mut Conn, before: Timestamp) -> Done<usize> {
    let over = tokens::table
        .filter(tokens::expires_at.lt(before.millis()))
        .order((tokens::opened_by.is_null().asc(), tokens::expires_at.asc()))
        .limit(BATCH.into())
        .select(tokens::id);
    let over: Vec<Vec<u8>> = over.load(conn).await?;
    diesel::delete(tokens::table.filter(tokens::id.eq_any(&over))).execute(conn).await?;
    // Not what the deletion counts: sessions may go with what opened them.
    Ok(over.len())
}
