//! The keys of the vault, and what they sealed.

use super::{audit, connections::ConnectionRow};
use crate::Store;
use auth_core::{
    audit::Event,
    id::ConnectionId,
    model::{SealedTokens, StoredConnection},
    policy::Granted,
    port::{Answer, Rekey, Vault, VaultKey},
    seal::{KeyName, Sealed},
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::{
        connections::{self, dsl},
        vault_keys,
    },
};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;
use std::collections::BTreeSet;

#[async_trait::async_trait]
impl Vault for Store {
    async fn keys(&self) -> Answer<Vec<VaultKey>> {
        self.read(async |conn| {
            let query = vault_keys::table
                .order((vault_keys::created_at.asc(), vault_keys::name.asc()))
                .select((vault_keys::name, vault_keys::proof));
            let rows: Vec<(Vec<u8>, Vec<u8>)> = query.load(conn).await?;
            let read = |(name, proof): (Vec<u8>, Vec<u8>)| -> Done<VaultKey> {
                let name = KeyName::from_bytes(row::bytes(&name)?);
                Ok(VaultKey { name, proof: Sealed::from_bytes(proof) })
            };
            rows.into_iter().map(read).collect()
        })
        .await
    }

    async fn add_key(&self, key: VaultKey, beside: &[KeyName], at: Timestamp) -> Answer<bool> {
        let beside: BTreeSet<_> = beside.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.write(async move |conn| {
            let known: Vec<Vec<u8>> = vault_keys::table.select(vault_keys::name).load(conn).await?;
            let known = BTreeSet::from_iter(known);
            if known.contains(key.name.as_bytes().as_slice()) {
                return Ok(true);
            }
            if known != beside {
                return Ok(false);
            }
            let row = (
                vault_keys::name.eq(key.name.as_bytes().to_vec()),
                vault_keys::proof.eq(key.proof.as_bytes().to_vec()),
                vault_keys::created_at.eq(at.millis()),
            );
            diesel::insert_into(vault_keys::table).values(row).execute(conn).await?;
            Ok(true)
        })
        .await
    }

    async fn count_sealed_before(&self, newest: KeyName) -> Answer<u64> {
        self.read(async move |conn| {
            let others = dsl::connections.filter(dsl::key_name.ne(newest.as_bytes().to_vec())).count();
            Ok(u64::try_from(others.get_result::<i64>(conn).await?).unwrap_or(0))
        })
        .await
    }

    async fn sealed_before(
        &self,
        newest: KeyName,
        after: Option<ConnectionId>,
        limit: u16,
    ) -> Answer<Vec<StoredConnection>> {
        self.read(async move |conn| {
            let mut query =
                connections::table.filter(dsl::key_name.ne(newest.as_bytes().to_vec())).into_boxed();
            if let Some(after) = after {
                query = query.filter(dsl::id.gt(after.as_bytes().to_vec()));
            }
            let rows: Vec<ConnectionRow> = query.order(dsl::id.asc()).limit(limit.into()).load(conn).await?;
            rows.into_iter().map(ConnectionRow::read).collect()
        })
        .await
    }

    async fn reseal(
        &self,
        _: &Granted<Rekey>,
        id: ConnectionId,
        before: &SealedTokens,
        after: SealedTokens,
    ) -> Answer<bool> {
        let before = before.clone();
        self.write(async move |conn| {
            let same = dsl::connections
                .filter(dsl::id.eq(id.as_bytes().to_vec()))
                .filter(dsl::tokens.eq(before.sealed.as_bytes().to_vec()));
            let resealed = (
                dsl::key_name.eq(after.key.as_bytes().to_vec()),
                dsl::tokens.eq(after.sealed.as_bytes().to_vec()),
            );
            Ok(diesel::update(same).set(resealed).execute(conn).await? == 1)
        })
        .await
    }

    async fn retire_keys(
        &self,
        grant: &Granted<Rekey>,
        newest: KeyName,
        at: Timestamp,
    ) -> Answer<Vec<KeyName>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let newest_name = newest.as_bytes().to_vec();
            let used: Vec<Vec<u8>> = dsl::connections
                .filter(dsl::key_name.ne(newest_name.clone()))
                .select(dsl::key_name)
                .distinct()
                .load(conn)
                .await?;
            let unused = vault_keys::table
                .filter(vault_keys::name.ne(newest_name))
                .filter(vault_keys::name.ne_all(used.clone()));
            let retired = diesel::delete(unused).execute(conn).await?;
            if retired > 0 {
                let event = Event::VaultRekeyed { key: newest.to_string(), retired };
                audit::write(conn, &chain, &grant, at, event).await?;
            }
            used.iter().map(|name| Ok(KeyName::from_bytes(row::bytes(name)?))).collect()
        })
        .await
    }
}
