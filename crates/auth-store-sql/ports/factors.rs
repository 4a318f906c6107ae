//! Second factors of people.

use super::{audit, notices, sessions};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::{PersonId, SessionId},
    model::{FactorUse, SessionEnd},
    policy::Granted,
    port::{Answer, Change, DrawRecoveryCodes, EnrolTotp, Factors, RemoveTotp, Seq},
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{
    Done,
    schema::{people, recovery_codes, totp},
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

/// The name of the authenticator in audit events.
const TOTP: &str = "totp";

/// Uses a factor up; `false` where it was used before, or is none. An authenticator that becomes one by this makes the
/// person another state of themself: whoever proved themself by their password alone begins no session any more.
pub(super) async fn use_up(
    conn: &mut Conn,
    person: PersonId,
    factor: &FactorUse,
    at: Timestamp,
) -> Done<bool> {
    let person = person.as_bytes().to_vec();
    let used = match factor {
        FactorUse::Totp { step, resealed } => {
            let newer = totp::table
                .filter(totp::person_id.eq(person))
                .filter(totp::confirmed_at.is_not_null())
                .filter(totp::last_step.lt(*step));
            let resealed = resealed.as_ref().map(|secret| totp::secret.eq(secret.as_bytes().to_vec()));
            diesel::update(newer).set((totp::last_step.eq(*step), resealed)).execute(conn).await?
        }
        FactorUse::NewTotp { step, session, secret } => {
            let enrolling = totp::table
                .filter(totp::person_id.eq(person.clone()))
                .filter(totp::confirmed_at.is_null())
                .filter(totp::session_id.eq(session.as_bytes().to_vec()))
                .filter(totp::secret.eq(secret.as_bytes().to_vec()));
            let confirmed = (totp::confirmed_at.eq(at.millis()), totp::last_step.eq(*step));
            let used = diesel::update(enrolling).set(confirmed).execute(conn).await?;
            if used == 1 {
                change_state(conn, person).await?;
            }
            used
        }
        FactorUse::RecoveryCode { digest } => {
            let code = recovery_codes::table.find((person, digest.as_bytes().to_vec()));
            diesel::delete(code).execute(conn).await?
        }
    };
    Ok(used == 1)
}

async fn change_state(conn: &mut Conn, person: Vec<u8>) -> Done<()> {
    let changed = people::version.eq(people::version + 1);
    diesel::update(people::table.find(person)).set(changed).execute(conn).await?;
    Ok(())
}

async fn is_confirmed(conn: &mut Conn, person: &[u8]) -> Done<bool> {
    let found = totp::table.find(person.to_vec()).select(totp::confirmed_at);
    let found: Option<Option<i64>> = found.first(conn).await.optional()?;
    Ok(found.flatten().is_some())
}

#[async_trait::async_trait]
impl Factors for Store {
    async fn is_empty(&self) -> Answer<bool> {
        self.read(async move |conn| {
            let any = totp::table.select(totp::last_step).limit(1).first::<i64>(conn).await.optional()?;
            Ok(any.is_none())
        })
        .await
    }

    async fn enrol(
        &self,
        grant: &Granted<EnrolTotp>,
        secret: Sealed,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            let id = person.as_bytes().to_vec();
            if !sessions::is_open(conn, person, session, at).await? {
                return Ok(Change::Stale);
            }
            if is_confirmed(conn, &id).await? {
                return Ok(Change::Taken);
            }
            let row = (
                totp::secret.eq(secret.as_bytes().to_vec()),
                totp::session_id.eq(session.as_bytes().to_vec()),
                totp::created_at.eq(at.millis()),
                totp::last_step.eq(0),
            );
            let insert = diesel::insert_into(totp::table).values((totp::person_id.eq(id), row.clone()));
            insert.on_conflict(totp::person_id).do_update().set(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::FactorEnrolling { person, factor: TOTP }).await?;
            Ok(Change::Done(()))
        })
        .await
    }

    async fn remove(
        &self,
        grant: &Granted<RemoveTotp>,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            let id = person.as_bytes().to_vec();
            if !sessions::is_open(conn, person, session, at).await? || !is_confirmed(conn, &id).await? {
                return Ok(Change::Stale);
            }
            let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id.clone()));
            diesel::delete(codes).execute(conn).await?;
            diesel::delete(totp::table.find(id.clone())).execute(conn).await?;
            change_state(conn, id).await?;
            audit::write(conn, &chain, &grant, at, Event::FactorRemoved { person, factor: TOTP }).await?;
            match sessions::end_others(conn, person, None, SessionEnd::FactorsChanged, at).await? {
                Some(seq) => Ok(Change::Done(seq)),
                None => Ok(Change::Done(notices::head(conn).await?)),
            }
        })
        .await
    }

    async fn replace_recovery_codes(
        &self,
        grant: &Granted<DrawRecoveryCodes>,
        session: SessionId,
        digests: Vec<TokenDigest>,
        at: Timestamp,
    ) -> Answer<Change> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            let id = person.as_bytes().to_vec();
            if !sessions::is_open(conn, person, session, at).await? || !is_confirmed(conn, &id).await? {
                return Ok(Change::Stale);
            }
            let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id.clone()));
            diesel::delete(codes).execute(conn).await?;
            for digest in &digests {
                let row = (
                    recovery_codes::person_id.eq(id.clone()),
                    recovery_codes::digest.eq(digest.as_bytes().to_vec()),
                );
                diesel::insert_into(recovery_codes::table).values(row).execute(conn).await?;
            }
            audit::write(conn, &chain, &grant, at, Event::RecoveryCodesDrawn { person }).await?;
            Ok(Change::Done(()))
        })
        .await
    }
}
