//! What mailed tokens do.

use super::{audit, notices, sessions};
use crate::Store;
use auth_core::{
    audit::Event,
    credential::PasswordHash,
    model::{SessionEnd, Status, Version},
    policy::Granted,
    port::{Answer, Change, Mailed, ResetPassword, Seq, VerifyAddress},
    time::Timestamp,
};
use auth_store_sql::schema::people::{self, dsl};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

/// The person, if they are in this state and not suspended.
macro_rules! as_then {
    ($person:expr, $version:expr) => {
        people::table
            .find($person.as_bytes().to_vec())
            .filter(dsl::version.eq($version.number()))
            .filter(dsl::status.eq(Status::Active.name()))
    };
}

#[async_trait::async_trait]
impl Mailed for Store {
    async fn verify(
        &self,
        grant: &Granted<VerifyAddress>,
        version: Version,
        at: Timestamp,
    ) -> Answer<Change> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            let row = (dsl::verified_at.eq(at.millis()), dsl::version.eq(version.next().number()));
            let unknown = as_then!(person, version).filter(dsl::verified_at.is_null());
            if diesel::update(unknown).set(row).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            audit::write(conn, &chain, &grant, at, Event::AddressVerified { person }).await?;
            Ok(Change::Done(()))
        })
        .await
    }

    async fn reset_password(
        &self,
        grant: &Granted<ResetPassword>,
        version: Version,
        new: PasswordHash,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            let row = (dsl::password.eq(new.as_str().to_owned()), dsl::version.eq(version.next().number()));
            if diesel::update(as_then!(person, version)).set(row).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            let unknown = people::table.find(person.as_bytes().to_vec()).filter(dsl::verified_at.is_null());
            diesel::update(unknown).set(dsl::verified_at.eq(at.millis())).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::PasswordReset { person }).await?;
            match sessions::end_others(conn, person, None, SessionEnd::PasswordChanged, at).await? {
                Some(seq) => Ok(Change::Done(seq)),
                None => Ok(Change::Done(notices::head(conn).await?)),
            }
        })
        .await
    }
}
