//! What is done with a provider for a connection, by one at a time.

use super::{
    audit,
    connections::{ConnectionRow, find, is_of_vault},
};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::ConnectionId,
    model::ConnectionStatus,
    policy::Granted,
    port::{
        Answer, Claim, Claiming, Claims, Disconnect, Forgotten, Outcome, Renewed, Renewing, UseConnection,
    },
    time::Timestamp,
};
use auth_store_sql::{
    Done,
    schema::connections::{self, dsl},
};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

/// Claims a connection that is in this state.
async fn claim(
    conn: &mut Conn,
    (id, status): (ConnectionId, ConnectionStatus),
    claim: Claim,
    at: Timestamp,
) -> Done<Claiming> {
    match find(conn, id).await? {
        Some(found) if !found.is(status) => Ok(Claiming::Gone),
        Some(found) if found.is_claimed(at) => Ok(Claiming::Busy),
        Some(found) => {
            let place = connections::table.find(id.as_bytes().to_vec());
            diesel::update(place).set(dsl::claim.eq(claim.to_stored())).execute(conn).await?;
            Ok(Claiming::Done(Box::new(ConnectionRow::read(found)?)))
        }
        None => Ok(Claiming::Gone),
    }
}

/// The row of a connection that is somebody's by this claim.
macro_rules! claimed {
    ($id:expr, $claim:expr) => {
        dsl::connections.filter(dsl::id.eq($id.as_bytes().to_vec())).filter(dsl::claim.eq($claim.to_stored()))
    };
}

#[async_trait::async_trait]
impl Claims for Store {
    async fn claim(&self, grant: &Granted<UseConnection>, by: Claim, at: Timestamp) -> Answer<Claiming> {
        let id = grant.target();
        self.write(async move |conn| claim(conn, (id, ConnectionStatus::Active), by, at).await).await
    }

    async fn claim_ended(&self, grant: &Granted<Disconnect>, by: Claim, at: Timestamp) -> Answer<Claiming> {
        let id = grant.target();
        self.write(async move |conn| claim(conn, (id, ConnectionStatus::Disconnecting), by, at).await).await
    }

    async fn renewed(
        &self,
        grant: &Granted<UseConnection>,
        by: Claim,
        renewed: Renewed,
        at: Timestamp,
    ) -> Answer<Renewing> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let connection = grant.target();
            let Renewed { tokens, expires_at, scopes, needs_consent } = renewed;
            let found = find(conn, connection).await?.filter(|found| found.is_claimed_by(by));
            let Some(found) = found else { return Ok(Renewing::Lost) };
            if !is_of_vault(conn, tokens.key).await? {
                return Ok(Renewing::KeyRetired);
            }
            let given = (
                dsl::scopes.eq(scopes.to_string()),
                dsl::key_name.eq(tokens.key.as_bytes().to_vec()),
                dsl::tokens.eq(tokens.sealed.as_bytes().to_vec()),
                dsl::expires_at.eq(expires_at.millis()),
                dsl::claim.eq(None::<Vec<u8>>),
                dsl::version.eq(dsl::version + 1),
            );
            diesel::update(claimed!(connection, by)).set(given).execute(conn).await?;
            if needs_consent && found.is(ConnectionStatus::Active) {
                let waits = dsl::status.eq(ConnectionStatus::NeedsConsent.name());
                let place = connections::table.find(connection.as_bytes().to_vec());
                diesel::update(place).set(waits).execute(conn).await?;
                let event = Event::CalendarNeedsConsent { connection };
                audit::write(conn, &chain, &grant, at, event).await?;
            } else {
                audit::write(conn, &chain, &grant, at, Event::CalendarRenewed { connection }).await?;
            }
            let is_ended = found.is(ConnectionStatus::Disconnecting);
            Ok(if is_ended { Renewing::Ended } else { Renewing::Done })
        })
        .await
    }

    async fn release(
        &self,
        grant: &Granted<UseConnection>,
        by: Claim,
        outcome: Outcome,
        at: Timestamp,
    ) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let connection = grant.target();
            let free = dsl::claim.eq(None::<Vec<u8>>);
            if diesel::update(claimed!(connection, by)).set(free).execute(conn).await? == 0 {
                return Ok(false);
            }
            if outcome == Outcome::NeedsConsent {
                let active = dsl::connections
                    .filter(dsl::id.eq(connection.as_bytes().to_vec()))
                    .filter(dsl::status.eq(ConnectionStatus::Active.name()));
                let waits = (
                    dsl::status.eq(ConnectionStatus::NeedsConsent.name()),
                    dsl::version.eq(dsl::version + 1),
                );
                if diesel::update(active).set(waits).execute(conn).await? > 0 {
                    audit::write(conn, &chain, &grant, at, Event::CalendarNeedsConsent { connection })
                        .await?;
                }
            }
            Ok(true)
        })
        .await
    }

    async fn forget(
        &self,
        grant: &Granted<Disconnect>,
        by: Claim,
        how: Forgotten,
        at: Timestamp,
    ) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let connection = grant.target();
            let ended =
                claimed!(connection, by).filter(dsl::status.eq(ConnectionStatus::Disconnecting.name()));
            if diesel::delete(ended).execute(conn).await? == 0 {
                return Ok(false);
            }
            let event = Event::CalendarForgotten { connection, how: how.name() };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(true)
        })
        .await
    }

    async fn not_revoked(&self, grant: &Granted<Disconnect>, by: Claim, at: Timestamp) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let connection = grant.target();
            let failed = (
                dsl::claim.eq(None::<Vec<u8>>),
                dsl::failed_revocations.eq(dsl::failed_revocations + 1),
                dsl::version.eq(dsl::version + 1),
            );
            let ended =
                claimed!(connection, by).filter(dsl::status.eq(ConnectionStatus::Disconnecting.name()));
            if diesel::update(ended).set(failed).execute(conn).await? == 0 {
                return Ok(false);
            }
            audit::write(conn, &chain, &grant, at, Event::CalendarNotRevoked { connection }).await?;
            Ok(true)
        })
        .await
    }
}
