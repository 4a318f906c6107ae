//! Second factors of people.

use super::{audit, notices, sessions};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::{PasskeyId, PersonId, SessionId},
    model::{FactorUse, NewPasskey, SessionEnd},
    policy::Granted,
    port::{Answer, Change, DrawRecoveryCodes, EnrolTotp, Factors, RemovePasskey, RemoveTotp, Seq},
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
    webauthn::MOST_PASSKEYS,
};
use auth_store_sql::{
    Done,
    schema::{passkeys, people, recovery_codes, totp},
};
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

/// The name of the authenticator in audit events.
const TOTP: &str = "totp";
/// That of a passkey.
const PASSKEY: &str = "webauthn";

/// Uses a factor up; `false` where it was used before, or is none. What becomes one by this makes the person another state
/// of themself: whoever proved themself by their password alone begins no session any more.
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
        FactorUse::Passkey { id, counter, resealed } => {
            let counter = i64::from(*counter);
            let own = passkeys::table
                .filter(passkeys::id.eq(id.as_bytes().to_vec()))
                .filter(passkeys::person_id.eq(person));
            // One that does not count shows nothing all the time.
            let silent = passkeys::counter.eq(0).and(passkeys::counter.eq(counter));
            let risen = own.filter(passkeys::counter.lt(counter).or(silent));
            let resealed = resealed.as_ref().map(|sealed| passkeys::sealed.eq(sealed.as_bytes().to_vec()));
            let shown = (passkeys::counter.eq(counter), passkeys::last_used_at.eq(at.millis()), resealed);
            diesel::update(risen).set(shown).execute(conn).await?
        }
        FactorUse::NewPasskey(new) => {
            let used = insert(conn, person.clone(), new, at).await?;
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

/// Keeps a new passkey: one, or none where the credential is somebody's already, or the person has as many as may be.
async fn insert(conn: &mut Conn, person: Vec<u8>, new: &NewPasskey, at: Timestamp) -> Done<usize> {
    let own = passkeys::table.filter(passkeys::person_id.eq(person.clone())).count();
    let held: i64 = own.get_result(conn).await?;
    if usize::try_from(held).is_ok_and(|held| held >= MOST_PASSKEYS) {
        return Ok(0);
    }
    let row = (
        passkeys::id.eq(new.id.as_bytes().to_vec()),
        passkeys::person_id.eq(person),
        passkeys::digest.eq(new.digest.as_bytes().to_vec()),
        passkeys::name.eq(new.name.as_str().to_owned()),
        passkeys::sealed.eq(new.sealed.as_bytes().to_vec()),
        passkeys::counter.eq(i64::from(new.counter)),
        passkeys::created_at.eq(at.millis()),
    );
    let insert = diesel::insert_into(passkeys::table).values(row);
    Ok(insert.on_conflict(passkeys::digest).do_nothing().execute(conn).await?)
}

/// The passkey that was shown and not used up, if it is the person's: its counter has not risen.
pub(super) async fn suspected(
    conn: &mut Conn,
    person: PersonId,
    factor: &FactorUse,
) -> Done<Option<PasskeyId>> {
    let FactorUse::Passkey { id, .. } = factor else { return Ok(None) };
    let own = passkeys::table
        .filter(passkeys::id.eq(id.as_bytes().to_vec()))
        .filter(passkeys::person_id.eq(person.as_bytes().to_vec()));
    let found = own.select(passkeys::counter).first::<i64>(conn).await.optional()?;
    Ok(found.map(|_| *id))
}

/// Whether the person has a second factor.
async fn has_factor(conn: &mut Conn, person: &[u8]) -> Done<bool> {
    let own = passkeys::table.filter(passkeys::person_id.eq(person.to_vec())).select(passkeys::counter);
    Ok(is_confirmed(conn, person).await? || own.first::<i64>(conn).await.optional()?.is_some())
}

/// What follows from the removal of a factor: with the last one go the recovery codes, and all sessions end.
async fn removed(conn: &mut Conn, person: PersonId, at: Timestamp) -> Done<Seq> {
    let id = person.as_bytes().to_vec();
    if !has_factor(conn, &id).await? {
        let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id.clone()));
        diesel::delete(codes).execute(conn).await?;
    }
    change_state(conn, id).await?;
    match sessions::end_others(conn, person, None, SessionEnd::FactorsChanged, at).await? {
        Some(seq) => Ok(seq),
        None => notices::head(conn).await,
    }
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
            let totp = totp::table.select(totp::last_step).limit(1).first::<i64>(conn).await.optional()?;
            let passkey =
                passkeys::table.select(passkeys::counter).limit(1).first::<i64>(conn).await.optional()?;
            Ok(totp.is_none() && passkey.is_none())
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
            diesel::delete(totp::table.find(id)).execute(conn).await?;
            let event = Event::FactorRemoved { person, factor: TOTP, passkey: None };
            audit::write(conn, &chain, &grant, at, event).await?;
            removed(conn, person, at).await.map(Change::Done)
        })
        .await
    }

    async fn remove_passkey(
        &self,
        grant: &Granted<RemovePasskey>,
        id: PasskeyId,
        session: SessionId,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            if !sessions::is_open(conn, person, session, at).await? {
                return Ok(Change::Stale);
            }
            let own = passkeys::table
                .filter(passkeys::id.eq(id.as_bytes().to_vec()))
                .filter(passkeys::person_id.eq(person.as_bytes().to_vec()));
            if diesel::delete(own).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            let event = Event::FactorRemoved { person, factor: PASSKEY, passkey: Some(id) };
            audit::write(conn, &chain, &grant, at, event).await?;
            removed(conn, person, at).await.map(Change::Done)
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
            if !sessions::is_open(conn, person, session, at).await? || !has_factor(conn, &id).await? {
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
