//! People and their passwords.

use super::{audit, members as belonging, notices, sessions};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    credential::PasswordHash,
    id::{PersonId, SessionId},
    model::{
        Address, Login, MemberId, Membership, NewPerson, Page, PasskeyFactor, Person, PersonPatch,
        SessionEnd, Status, TotpFactor, Version,
    },
    policy::{Action, GivenRole, Granted, OwnPerson, Role, Scope, Within},
    port::{
        About, Answer, Change, ChangePassword, ChangePerson, CreateSuperAdmin, Creation, Ends, ImportPeople,
        People, PersonChange, Register, RemovePerson, Seq,
    },
    principal::Tenant,
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{
    Done, Failure, row,
    schema::{
        accounts, applicants, domains, members, passkeys,
        people::{self, dsl},
        recovery_codes, sessions as sessions_table, totp,
    },
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
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
    let passkeys = passkeys_of(conn, &id).await?;
    let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id)).count();
    let codes: i64 = codes.get_result(conn).await?;
    let recovery_codes = u32::try_from(codes).unwrap_or(u32::MAX);
    let totp = found.map(factor).transpose()?;
    Ok(Some(Login { person, password, memberships, totp, passkeys, recovery_codes }))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = passkeys)]
struct PasskeyRow {
    id: Vec<u8>,
    digest: Vec<u8>,
    name: String,
    sealed: Vec<u8>,
    counter: i64,
    created_at: i64,
    last_used_at: Option<i64>,
}

/// The passkeys of a person, the oldest first.
async fn passkeys_of(conn: &mut Conn, person: &[u8]) -> Done<Vec<PasskeyFactor>> {
    let own = passkeys::table.filter(passkeys::person_id.eq(person.to_vec())).order(passkeys::id.asc());
    let rows: Vec<PasskeyRow> = own.select(PasskeyRow::as_select()).load(conn).await?;
    let read = |row: PasskeyRow| {
        let counter = u32::try_from(row.counter);
        Ok(PasskeyFactor {
            id: row::passkey_id(&row.id)?,
            digest: TokenDigest::from_bytes(row::bytes(&row.digest)?),
            name: row::text(&row.name)?,
            sealed: Sealed::from_bytes(row.sealed),
            counter: counter
                .map_err(|_| Failure::Damaged(format!("no counter of a passkey: {}", row.counter)))?,
            created_at: row::time(row.created_at),
            last_used_at: row::maybe_time(row.last_used_at),
        })
    };
    rows.into_iter().map(read).collect()
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

async fn person(conn: &mut Conn, id: PersonId) -> Done<Option<Person>> {
    let found: Option<PersonRow> = people::table.find(id.as_bytes().to_vec()).first(conn).await.optional()?;
    Ok(found.map(PersonRow::read).transpose()?.map(|(person, _)| person))
}

/// A person who is at a version still, where whoever acts on them is who they were.
async fn standing<A: Action<Object = Person>>(
    conn: &mut Conn,
    grant: &Granted<A>,
    version: Version,
    at: Timestamp,
) -> Done<Option<Person>> {
    if !sessions::stands(conn, grant.who(), at).await? {
        return Ok(None);
    }
    Ok(person(conn, grant.target()).await?.filter(|person| person.version == version))
}

fn administers(person: &Person) -> bool {
    person.is_super_admin && person.status == Status::Active
}

/// Whether somebody else administers the platform.
async fn has_other_admin(conn: &mut Conn, but: PersonId) -> Done<bool> {
    let others = people::table
        .filter(dsl::super_admin.eq(1))
        .filter(dsl::status.eq(Status::Active.name()))
        .filter(dsl::id.ne(but.as_bytes().to_vec()));
    Ok(others.select(dsl::version).first::<i64>(conn).await.optional()?.is_some())
}

/// Forgets all that is a person's, and then the person.
async fn forget(conn: &mut Conn, id: PersonId) -> Done<()> {
    let id = || id.as_bytes().to_vec();
    let sessions = sessions_table::table.filter(sessions_table::person_id.eq(id()));
    diesel::delete(sessions).execute(conn).await?;
    diesel::delete(totp::table.find(id())).execute(conn).await?;
    diesel::delete(passkeys::table.filter(passkeys::person_id.eq(id()))).execute(conn).await?;
    let codes = recovery_codes::table.filter(recovery_codes::person_id.eq(id()));
    diesel::delete(codes).execute(conn).await?;
    diesel::delete(members::table.filter(members::person_id.eq(id()))).execute(conn).await?;
    diesel::delete(applicants::table.filter(applicants::person_id.eq(id()))).execute(conn).await?;
    diesel::delete(people::table.find(id())).execute(conn).await?;
    Ok(())
}

#[async_trait::async_trait]
impl People for Store {
    async fn read(&self, own: OwnPerson) -> Answer<Option<Person>> {
        self.read(async move |conn| person(conn, own.id()).await).await
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
            if let Some(domain) = new.asks
                && let Some((tenant, event)) =
                    belonging::ask(conn, MemberId { domain, person: new.id }, new.at).await?
            {
                audit::write_of(conn, &chain, &grant, tenant, new.at, event).await?;
            }
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
        (by, ends): (SessionId, Ends),
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain, old) = (grant.clone(), self.chain(), old.as_str().to_owned());
        self.write(async move |conn| {
            let person = grant.target();
            if !sessions::is_open(conn, person, by, at).await? {
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
            let kept = (ends == Ends::Others).then_some(by);
            let ended = sessions::end_others(conn, person, kept, SessionEnd::PasswordChanged, at).await?;
            match ended {
                Some(seq) => Ok(Change::Done(seq)),
                None => Ok(Change::Done(notices::head(conn).await?)),
            }
        })
        .await
    }

    async fn find(&self, scope: Scope, id: PersonId) -> Answer<Option<Person>> {
        self.read(async move |conn| {
            if scope.within() != Within::Everything {
                return Ok(None);
            }
            person(conn, id).await
        })
        .await
    }

    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Person>> {
        self.read(async move |conn| {
            if scope.within() != Within::Everything {
                return Ok(Vec::new());
            }
            let mut query = people::table.into_boxed();
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<PersonRow> =
                query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(|row| row.read().map(|(person, _)| person)).collect()
        })
        .await
    }

    async fn change(
        &self,
        grant: &Granted<ChangePerson>,
        version: Version,
        patch: PersonPatch,
        highest: GivenRole,
        at: Timestamp,
    ) -> Answer<PersonChange<(Person, Seq)>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            let Some(now) = standing(conn, &grant, version, at).await? else {
                return Ok(PersonChange::Stale);
            };
            let changed = patch.over(&now);
            if (now.is_super_admin || changed.is_super_admin) && highest.role() != Role::SuperAdmin {
                return Ok(PersonChange::Stale);
            }
            if administers(&now) && !administers(&changed) && !has_other_admin(conn, id).await? {
                return Ok(PersonChange::LastSuperAdmin);
            }
            let row = (
                dsl::name.eq(changed.name.as_str()),
                dsl::status.eq(changed.status.name()),
                dsl::super_admin.eq(i64::from(changed.is_super_admin)),
                dsl::version.eq(changed.version.number()),
            );
            diesel::update(people::table.find(id.as_bytes().to_vec())).set(row).execute(conn).await?;
            if changed.is_super_admin != now.is_super_admin {
                sessions::end_at(conn, id, None, SessionEnd::Withdrawn, at).await?;
            }
            if changed.status == Status::Suspended {
                sessions::end_others(conn, id, None, SessionEnd::Withdrawn, at).await?;
            }
            let (status, super_admin) = (changed.status.name(), changed.is_super_admin);
            let event = Event::PersonChanged { person: id, status, super_admin };
            audit::write(conn, &chain, &grant, at, event).await?;
            let seq = notices::announce(conn, About::Person(id), false).await?;
            Ok(PersonChange::Done((changed, seq)))
        })
        .await
    }

    async fn remove(
        &self,
        grant: &Granted<RemovePerson>,
        version: Version,
        highest: GivenRole,
        at: Timestamp,
    ) -> Answer<PersonChange<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            let Some(now) = standing(conn, &grant, version, at).await? else {
                return Ok(PersonChange::Stale);
            };
            if now.is_super_admin && highest.role() != Role::SuperAdmin {
                return Ok(PersonChange::Stale);
            }
            if administers(&now) && !has_other_admin(conn, id).await? {
                return Ok(PersonChange::LastSuperAdmin);
            }
            forget(conn, id).await?;
            audit::write(conn, &chain, &grant, at, Event::PersonRemoved { person: id }).await?;
            Ok(PersonChange::Done(notices::announce(conn, About::Person(id), false).await?))
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
