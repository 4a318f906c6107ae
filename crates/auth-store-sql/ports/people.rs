//! People and their passwords.

use super::{audit, notices, sessions};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    credential::PasswordHash,
    id::SessionId,
    model::{Address, Login, Membership, NewPerson, Person, SessionEnd, Status, TotpFactor, Version},
    policy::{Granted, OwnPerson, Role},
    port::{Answer, Change, ChangePassword, CreateSuperAdmin, Creation, ImportPeople, People, Register, Seq},
    principal::Tenant,
    seal::Sealed,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::{
        accounts, domains, members,
        people::{self, dsl},
        recovery_codes, totp,
    },
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct PersonRow {
    id: Vec<u8>,
    address: String,
    name: String,
    password: String,
    status: String,
    super_admin: i64,
    verified_at: Option<i64>,
    created_at: i64,
    version: i64,
}

impl PersonRow {
    fn read(self) -> Done<(Person, PasswordHash)> {
        let person = Person {
            id: row::person_id(&self.id)?,
            address: row::text(&self.address)?,
            name: row::text(&self.name)?,
            status: row::word(Status::parse(&self.status), &self.status)?,
            is_super_admin: self.super_admin == 1,
            verified_at: row::maybe_time(self.verified_at),
            created_at: row::time(self.created_at),
            version: row::version(self.version),
        };
        Ok((person, row::text(&self.password)?))
    }
}

/// What a login needs, of one person.
async fn login(conn: &mut Conn, found: Option<PersonRow>) -> Done<Option<Login>> {
    let Some((person, password)) = found.map(PersonRow::read).transpose()? else { return Ok(None) };
    let query = members::table
        .inner_join(domains::table.inner_join(accounts::table))
        .filter(members::person_id.eq(person.id.as_bytes().to_vec()))
        .filter(domains::status.eq(Status::Active.name()))
        .filter(accounts::status.eq(Status::Active.name()))
        .order(domains::name.asc())
        .select((domains::id, domains::account_id, domains::name, members::role));
    let rows: Vec<(Vec<u8>, Vec<u8>, String, String)> = query.load(conn).await?;
    let membership = |(id, account, name, role): (Vec<u8>, Vec<u8>, String, String)| {
        let domain = row::domain_id(&id)?;
        Ok(Membership {
            tenant: Tenant { account: row::account_id(&account)?, domain: Some(domain) },
            domain,
            domain_name: row::text(&name)?,
            role: row::word(Role::parse(&role), &role)?,
        })
    };
    let memberships = rows.into_iter().map(membership).collect::<Done<_>>()?;
    let id = person.id.as_bytes().to_vec();
    let factor = totp::table.find(id.clone()).select((totp::secret, totp::session_id, totp::confirmed_at));
    let found: Option<(Vec<u8>, Vec<u8>, Option<i64>)> = factor.first(conn).await.optional()?;
    let factor = |(secret, session, confirmed): (Vec<u8>, Vec<u8>, Option<i64>)| {
        let (secret, session) = (Sealed::from_bytes(secret), row::session_id(&session)?);
        Done::Ok(TotpFactor { secret, session, is_confirmed: confirmed.is_some() })
    };
    let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id)).count();
    let codes: i64 = codes.get_result(conn).await?;
    let recovery_codes = u32::try_from(codes).unwrap_or(u32::MAX);
    Ok(Some(Login { person, password, memberships, totp: found.map(factor).transpose()?, recovery_codes }))
}

/// Keeps somebody new; `false` where the address is taken.
async fn insert(conn: &mut Conn, new: &NewPerson, is_super_admin: bool) -> Done<bool> {
    let row = (
        dsl::id.eq(new.id.as_bytes().to_vec()),
        dsl::address.eq(new.address.as_str().to_owned()),
        dsl::name.eq(new.name.as_str().to_owned()),
        dsl::password.eq(new.password.as_str().to_owned()),
        dsl::status.eq(Status::Active.name()),
        dsl::super_admin.eq(i64::from(is_super_admin)),
        dsl::verified_at.eq(new.verified.then(|| new.at.millis())),
        dsl::created_at.eq(new.at.millis()),
        dsl::version.eq(Version::FIRST.number()),
    );
    let insert = diesel::insert_into(people::table).values(row).on_conflict(dsl::address).do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

#[async_trait::async_trait]
impl People for Store {
    async fn read(&self, own: OwnPerson) -> Answer<Option<Person>> {
        self.read(async move |conn| {
            let found: Option<PersonRow> =
                people::table.find(own.id().as_bytes().to_vec()).first(conn).await.optional()?;
            Ok(found.map(PersonRow::read).transpose()?.map(|(person, _)| person))
        })
        .await
    }

    async fn by_address(&self, address: &Address) -> Answer<Option<Login>> {
        let address = address.as_str().to_owned();
        self.read(async move |conn| {
            let found = people::table.filter(dsl::address.eq(address)).first(conn).await.optional()?;
            login(conn, found).await
        })
        .await
    }

    async fn login_of(&self, own: OwnPerson) -> Answer<Option<Login>> {
        self.read(async move |conn| {
            let found = people::table.find(own.id().as_bytes().to_vec()).first(conn).await.optional()?;
            login(conn, found).await
        })
        .await
    }

    async fn register(&self, grant: &Granted<Register>, new: NewPerson) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            if !insert(conn, &new, false).await? {
                return Ok(Creation::Taken);
            }
            audit::write(conn, &chain, &grant, new.at, Event::PersonRegistered { person: new.id }).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn import(&self, grant: &Granted<ImportPeople>, new: Vec<NewPerson>) -> Answer<Vec<bool>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let mut made = Vec::with_capacity(new.len());
            for person in new {
                let done = insert(conn, &person, false).await?;
                if done {
                    let event = Event::PersonImported { person: person.id };
                    audit::write(conn, &chain, &grant, person.at, event).await?;
                }
                made.push(done);
            }
            Ok(made)
        })
        .await
    }

    async fn create_first_super_admin(
        &self,
        grant: &Granted<CreateSuperAdmin>,
        new: NewPerson,
        secret: Sealed,
    ) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let first = people::table.filter(dsl::super_admin.eq(1)).select(dsl::version).limit(1);
            if first.first::<i64>(conn).await.optional()?.is_some() || !insert(conn, &new, true).await? {
                return Ok(Creation::Taken);
            }
            let row = (
                totp::person_id.eq(new.id.as_bytes().to_vec()),
                totp::secret.eq(secret.as_bytes().to_vec()),
                // No session of theirs enrolled it.
                totp::session_id.eq(vec![0; 16]),
                totp::created_at.eq(new.at.millis()),
                totp::confirmed_at.eq(new.at.millis()),
                totp::last_step.eq(0),
            );
            diesel::insert_into(totp::table).values(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, new.at, Event::SuperAdminCreated { person: new.id }).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn change_password(
        &self,
        grant: &Granted<ChangePassword>,
        old: &PasswordHash,
        new: PasswordHash,
        kept: Option<SessionId>,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain, old) = (grant.clone(), self.chain(), old.as_str().to_owned());
        self.write(async move |conn| {
            let person = grant.target();
            if let Some(kept) = kept
                && !sessions::is_open(conn, person, kept, at).await?
            {
                return Ok(Change::Stale);
            }
            let same = people::table
                .find(person.as_bytes().to_vec())
                .filter(dsl::password.eq(old))
                .filter(dsl::status.eq(Status::Active.name()));
            let row = (dsl::password.eq(new.as_str().to_owned()), dsl::version.eq(dsl::version + 1));
            if diesel::update(same).set(row).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            audit::write(conn, &chain, &grant, at, Event::PasswordChanged { person }).await?;
            let ended = sessions::end_others(conn, person, kept, SessionEnd::PasswordChanged, at).await?;
            match ended {
                Some(seq) => Ok(Change::Done(seq)),
                None => Ok(Change::Done(notices::head(conn).await?)),
            }
        })
        .await
    }

    async fn rehash(&self, address: &Address, old: &PasswordHash, new: PasswordHash) -> Answer<()> {
        let (address, old) = (address.as_str().to_owned(), old.as_str().to_owned());
        self.write(async move |conn| {
            let same = people::table.filter(dsl::address.eq(address)).filter(dsl::password.eq(old));
            diesel::update(same).set(dsl::password.eq(new.as_str().to_owned())).execute(conn).await?;
            Ok(())
        })
        .await
    }
}
