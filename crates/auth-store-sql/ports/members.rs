//! Who belongs to which domain.

use super::{audit, notices, sessions};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::{DomainId, PersonId},
    model::{Applicant, Joining, Member, MemberId, Page, SessionEnd, Status, Version},
    policy::{GivenRole, Granted, Role, Scope, Within},
    port::{About, AdmitMember, Answer, Change, ChangeRole, DeclineApplicant, Members, RemoveMember, Seq},
    principal::Tenant,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::{accounts, applicants, domains, members, people},
    scoped,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _,
};
use diesel_async::RunQueryDsl;

type MemberRow = (Vec<u8>, Vec<u8>, Vec<u8>, String, String, Option<i64>, String, i64, i64);

fn member(found: MemberRow) -> Done<Member> {
    let (domain, account, person, address, name, verified_at, role, created_at, version) = found;
    let tenant = row::tenant(&account, Some(&domain))?;
    Ok(Member {
        id: MemberId { domain: row::domain_id(&domain)?, person: row::person_id(&person)? },
        tenant,
        address: row::text(&address)?,
        name: row::text(&name)?,
        is_verified: verified_at.is_some(),
        role: row::word(Role::parse(&role), &role)?,
        created_at: row::time(created_at),
        version: row::version(version),
    })
}

/// Members of one domain within a scope, as [`member`] reads them.
macro_rules! members_of {
    ($scope:expr, $domain:expr) => {{
        let query = members::table
            .inner_join(domains::table)
            .inner_join(people::table)
            .filter(members::domain_id.eq($domain.as_bytes().to_vec()))
            .select((
                domains::id,
                domains::account_id,
                people::id,
                people::address,
                people::name,
                people::verified_at,
                members::role,
                members::created_at,
                members::version,
            ))
            .into_boxed();
        scoped!(query, $scope, account: domains::account_id, domain: domains::id)
    }};
}

type ApplicantRow = (Vec<u8>, String, String, Option<i64>, Option<i64>);

fn applicant(tenant: Tenant, domain: DomainId, found: ApplicantRow) -> Done<Applicant> {
    let (person, address, name, verified_at, asked_at) = found;
    Ok(Applicant {
        id: MemberId { domain, person: row::person_id(&person)? },
        tenant,
        address: row::text(&address)?,
        name: row::text(&name)?,
        is_verified: verified_at.is_some(),
        asked_at: row::maybe_time(asked_at),
    })
}

/// People who may be made members of a domain, as [`applicant`] reads them: those who asked, or all for whoever sees
/// everything and names one.
macro_rules! applicants_to {
    ($domain:expr) => {{
        let domain = $domain.as_bytes().to_vec();
        let asked = applicants::person_id.eq(people::id).and(applicants::domain_id.eq(domain.clone()));
        let member = members::person_id.eq(people::id).and(members::domain_id.eq(domain));
        people::table
            .left_join(applicants::table.on(asked))
            .left_join(members::table.on(member))
            .filter(members::role.nullable().is_null())
            .select((
                people::id,
                people::address,
                people::name,
                people::verified_at,
                applicants::created_at.nullable(),
            ))
            .into_boxed()
    }};
}

/// The domain, if within the scope.
async fn tenant(conn: &mut Conn, scope: Scope, domain: DomainId) -> Done<Option<Tenant>> {
    let query = domains::table
        .filter(domains::id.eq(domain.as_bytes().to_vec()))
        .select((domains::id, domains::account_id))
        .into_boxed();
    let query = scoped!(query, scope, account: domains::account_id, domain: domains::id);
    let found: Option<(Vec<u8>, Vec<u8>)> = query.first(conn).await.optional()?;
    found.map(|(domain, account)| row::tenant(&account, Some(&domain))).transpose()
}

/// Makes a person a member of a domain; `false` where they are one.
async fn insert(conn: &mut Conn, id: MemberId, role: Role, at: Timestamp) -> Done<bool> {
    let row = (
        members::domain_id.eq(id.domain.as_bytes().to_vec()),
        members::person_id.eq(id.person.as_bytes().to_vec()),
        members::role.eq(role.name()),
        members::created_at.eq(at.millis()),
        members::version.eq(Version::FIRST.number()),
    );
    let insert = diesel::insert_into(members::table).values(row);
    Ok(insert.on_conflict((members::domain_id, members::person_id)).do_nothing().execute(conn).await? == 1)
}

/// Forgets that a person asked; `false` where they did not.
async fn forget(conn: &mut Conn, id: MemberId) -> Done<bool> {
    let key = (id.domain.as_bytes().to_vec(), id.person.as_bytes().to_vec());
    Ok(diesel::delete(applicants::table.find(key)).execute(conn).await? == 1)
}

/// Notes that somebody who registers wants to be a member of a domain: they are one if it is open. Nothing where it is not
/// in use; else what the domain's trail is to tell.
pub(super) async fn ask(conn: &mut Conn, id: MemberId, at: Timestamp) -> Done<Option<(Tenant, Event)>> {
    let MemberId { domain, person } = id;
    let home = domains::table
        .inner_join(accounts::table)
        .filter(domains::id.eq(id.domain.as_bytes().to_vec()))
        .filter(domains::status.eq(Status::Active.name()))
        .filter(accounts::status.eq(Status::Active.name()));
    let found = home.select((domains::joining, domains::account_id)).first(conn).await.optional()?;
    let Some((joining, account)): Option<(String, Vec<u8>)> = found else { return Ok(None) };
    let tenant = row::tenant(&account, Some(domain.as_bytes()))?;
    let event = match row::word(Joining::parse(&joining), &joining)? {
        Joining::Open => {
            insert(conn, id, Role::Member, at).await?;
            Event::MemberAdmitted { domain, person, role: Role::Member.name() }
        }
        Joining::ByApproval => {
            let row = (
                applicants::domain_id.eq(id.domain.as_bytes().to_vec()),
                applicants::person_id.eq(id.person.as_bytes().to_vec()),
                applicants::created_at.eq(at.millis()),
            );
            diesel::insert_into(applicants::table).values(row).execute(conn).await?;
            Event::MemberAsked { domain, person }
        }
    };
    Ok(Some((tenant, event)))
}

#[async_trait::async_trait]
impl Members for Store {
    async fn read(&self, scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Member>> {
        self.read(async move |conn| {
            let query = members_of!(scope, domain).filter(people::id.eq(person.as_bytes().to_vec()));
            query.first::<MemberRow>(conn).await.optional()?.map(member).transpose()
        })
        .await
    }

    async fn list(&self, scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Member>> {
        self.read(async move |conn| {
            let mut query = members_of!(scope, domain);
            if let Some(before) = page.before {
                query = query.filter(people::id.lt(before.to_vec()));
            }
            let rows: Vec<MemberRow> =
                query.order(people::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(member).collect()
        })
        .await
    }

    async fn applicant(&self, scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Applicant>> {
        self.read(async move |conn| {
            let Some(tenant) = tenant(conn, scope, domain).await? else { return Ok(None) };
            let mut query = applicants_to!(domain).filter(people::id.eq(person.as_bytes().to_vec()));
            if scope.within() != Within::Everything {
                query = query.filter(applicants::created_at.nullable().is_not_null());
            }
            let found: Option<ApplicantRow> = query.first(conn).await.optional()?;
            found.map(|found| applicant(tenant, domain, found)).transpose()
        })
        .await
    }

    async fn applicants(&self, scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Applicant>> {
        self.read(async move |conn| {
            let Some(tenant) = tenant(conn, scope, domain).await? else { return Ok(Vec::new()) };
            let mut query = applicants_to!(domain).filter(applicants::created_at.nullable().is_not_null());
            if let Some(before) = page.before {
                query = query.filter(people::id.lt(before.to_vec()));
            }
            let rows: Vec<ApplicantRow> =
                query.order(people::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(|found| applicant(tenant, domain, found)).collect()
        })
        .await
    }

    async fn admit(&self, grant: &Granted<AdmitMember>, role: GivenRole, at: Timestamp) -> Answer<Change> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let (id, role) = (grant.target(), role.role());
            if !sessions::stands(conn, grant.who(), at).await? {
                return Ok(Change::Stale);
            }
            let (domain, person) = (id.domain, id.person);
            let there = people::table.find(person.as_bytes().to_vec()).select(people::version);
            let key = (domain.as_bytes().to_vec(), person.as_bytes().to_vec());
            let asked = applicants::table.find(key).select(applicants::created_at);
            let asked = asked.first::<i64>(conn).await.optional()?.is_some();
            let may = asked || grant.scope().within() == Within::Everything;
            if !may || there.first::<i64>(conn).await.optional()?.is_none() {
                return Ok(Change::Stale);
            }
            if !insert(conn, id, role, at).await? {
                return Ok(Change::Taken);
            }
            forget(conn, id).await?;
            let event = Event::MemberAdmitted { domain, person, role: role.name() };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(Change::Done(()))
        })
        .await
    }

    async fn decline(&self, grant: &Granted<DeclineApplicant>, at: Timestamp) -> Answer<Change> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            if !sessions::stands(conn, grant.who(), at).await? || !forget(conn, id).await? {
                return Ok(Change::Stale);
            }
            let event = Event::MemberDeclined { domain: id.domain, person: id.person };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(Change::Done(()))
        })
        .await
    }

    async fn change_role(
        &self,
        grant: &Granted<ChangeRole>,
        version: Version,
        role: GivenRole,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let (MemberId { domain, person }, role) = (grant.target(), role.role());
            if !sessions::stands(conn, grant.who(), at).await? {
                return Ok(Change::Stale);
            }
            let same = members::table
                .find((domain.as_bytes().to_vec(), person.as_bytes().to_vec()))
                .filter(members::version.eq(version.number()));
            let row = (members::role.eq(role.name()), members::version.eq(version.next().number()));
            if diesel::update(same).set(row).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            sessions::end_at(conn, person, Some(domain), SessionEnd::Withdrawn, at).await?;
            let event = Event::MemberRoleChanged { domain, person, role: role.name() };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(Change::Done(notices::announce(conn, About::Person(person), false).await?))
        })
        .await
    }

    async fn remove(
        &self,
        grant: &Granted<RemoveMember>,
        version: Version,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let MemberId { domain, person } = grant.target();
            if !sessions::stands(conn, grant.who(), at).await? {
                return Ok(Change::Stale);
            }
            let same = members::table
                .filter(members::domain_id.eq(domain.as_bytes().to_vec()))
                .filter(members::person_id.eq(person.as_bytes().to_vec()))
                .filter(members::version.eq(version.number()));
            if diesel::delete(same).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            sessions::end_at(conn, person, Some(domain), SessionEnd::Withdrawn, at).await?;
            let event = Event::MemberRemoved { domain, person };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(Change::Done(notices::announce(conn, About::Person(person), false).await?))
        })
        .await
    }
}
