//! A role of its own for each service: what is the other's, the database keeps from it.

use crate::{
    Address, Conn,
    lane::within,
    migrate::{LOCK, refuse},
};
use auth_core::error::StoreError;
use diesel::{
    QueryableByName,
    sql_types::{Bool, Text},
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

/// The roles that the services connect as: ordinary ones that are there already and own nothing.
#[derive(Debug, Clone)]
pub struct Roles {
    /// That of the Hub.
    pub hub: String,
    /// That of the chatbot service.
    pub chatbot: String,
}

/// What may be done with a table.
type Given = &'static [(&'static str, &'static str)];

/// What both may. What they share they can also spoil for each other: the head of the trail, the stream of revocations
/// and its members, what is good once.
const BOTH: Given = &[
    ("SELECT", "__diesel_schema_migrations"),
    ("SELECT, INSERT", "audit_events"),
    ("SELECT, UPDATE (seq, link)", "audit_head"),
    ("SELECT, INSERT", "audit_key"),
    ("SELECT, UPDATE (seq, list)", "notice_head"),
    ("SELECT, INSERT, DELETE", "notices"),
    ("SELECT, DELETE", "one_time"),
    ("SELECT, INSERT, DELETE, UPDATE (applied)", "replicas"),
    ("SELECT, INSERT, DELETE", "requests_once"),
];
/// What a service may do with keys, of its own.
const KEYS: &str = "SELECT, INSERT, UPDATE (name, prefix, permissions, expires_at, networks, rate_limit, last_used_at, \
                    use_count, revoked_at, version)";
const HUB: Given = &[
    ("SELECT, INSERT, UPDATE (name, contact, status, version)", "accounts"),
    ("SELECT, INSERT, DELETE", "authorizations"),
    ("SELECT, INSERT, UPDATE (status, cancelled_at)", "calls"),
    (
        "SELECT, INSERT, DELETE, UPDATE (address, scopes, status, key_name, tokens, expires_at, connected_at, claim, \
         failed_revocations, version)",
        "connections",
    ),
    ("SELECT, INSERT", "domains"),
    ("SELECT, INSERT, UPDATE (ends_at)", "key_secrets"),
    (KEYS, "keys"),
    ("SELECT, INSERT, DELETE, UPDATE (name, email, version)", "users"),
    ("SELECT, INSERT", "vault_keys"),
];
const CHATBOT: Given = &[
    ("SELECT (id, status)", "accounts"),
    ("SELECT, INSERT, DELETE, UPDATE (failures, last_at)", "attempts"),
    ("SELECT, INSERT, DELETE", "applicants"),
    ("SELECT, INSERT, UPDATE (origins, joining, version)", "domains"),
    ("SELECT, INSERT, UPDATE (ends_at)", "key_secrets"),
    (KEYS, "keys"),
    ("SELECT, INSERT, DELETE, UPDATE (role, version)", "members"),
    ("INSERT", "one_time"),
    ("SELECT, INSERT, DELETE, UPDATE (sealed, counter, last_used_at)", "passkeys"),
    ("SELECT, INSERT, DELETE, UPDATE (name, password, status, super_admin, verified_at, version)", "people"),
    ("SELECT, INSERT, DELETE", "recovery_codes"),
    (
        "SELECT, INSERT, DELETE, UPDATE (refresh, parent, successor, refreshed_at, idle_ends_at, ended_at, ended_why)",
        "sessions",
    ),
    ("SELECT, INSERT, DELETE, UPDATE (ends_at)", "signing_keys"),
    ("SELECT, INSERT, DELETE, UPDATE (revoked_at)", "tokens"),
    ("SELECT, INSERT, DELETE, UPDATE (secret, session_id, created_at, confirmed_at, last_step)", "totp"),
];

/// The tables whose rows are a service's own: which it sees, and which it writes. Of a secret: whoever sees its key. Of a
/// request without a service, which is of an older version: both.
const ROWS: [(&str, &str, &str); 3] = [
    ("keys", "service = '{service}'", "service = '{service}'"),
    ("key_secrets", OF_ITS_KEY, OF_ITS_KEY),
    ("requests_once", "service IN ('{service}', '')", "service = '{service}'"),
];
const OF_ITS_KEY: &str = "EXISTS (SELECT FROM keys WHERE keys.id = key_id)";

/// What is in use is waited for a moment, and longer than an `autovacuum` that is in the way takes to be sent away: whoever
/// comes then waits behind.
///
/// Writers come first to the head of the trail; readers take a secret before its key, and so does this.
const STAND_BACK: &str = "SET LOCAL lock_timeout = '2s'; SELECT 1 FROM audit_head FOR UPDATE; \
                          LOCK TABLE key_secrets, keys, requests_once IN ACCESS EXCLUSIVE MODE";

impl Roles {
    const fn each(&self) -> [(&String, &'static str, Given); 2] {
        [(&self.hub, "hub", HUB), (&self.chatbot, "chatbot", CHATBOT)]
    }

    /// That each can do no more than it will be given.
    ///
    /// # Errors
    /// One line that says what is wrong with which.
    pub(crate) async fn check(&self, address: &Address) -> Result<(), StoreError> {
        if self.hub == self.chatbot {
            return Err(refuse(address, "one role for both services keeps nothing apart"));
        }
        let mut conn = address.connect().await?;
        for (role, ..) in self.each() {
            if let Some(fault) = within(fault_of(&mut conn, role)).await? {
                return Err(refuse(address, format!("the role {role:?} {fault}")));
            }
        }
        Ok(())
    }

    /// Gives each what its service needs, and takes from it what else the owner gave it, in one transaction.
    ///
    /// # Errors
    /// One line; nothing was changed, unless the answer to the commit was lost.
    pub(crate) async fn grant(&self, address: &Address) -> Result<(), StoreError> {
        let mut conn = address.connect().await?;
        // Of several one does it. The transaction ends with the connection.
        within(conn.batch_execute(LOCK)).await?;
        within(conn.batch_execute(&format!("BEGIN; {STAND_BACK}; {}", from_all()))).await?;
        for (role, service, given) in self.each() {
            within(conn.batch_execute(&statements(role, service, given))).await?;
            if within(makes_tables(&mut conn, role)).await? {
                return Err(refuse(address, format!("the role {role:?} could make tables beside ours")));
            }
        }
        within(conn.batch_execute("COMMIT")).await
    }
}

/// What everybody may, a role may, too: who could make tables beside ours could have theirs taken for ours.
fn from_all() -> String {
    let mut sql = "REVOKE CREATE ON SCHEMA public FROM PUBLIC;".to_owned();
    for (_, table) in BOTH.iter().chain(HUB).chain(CHATBOT) {
        sql += &format!("REVOKE ALL ON {table} FROM PUBLIC;");
    }
    sql
}

fn statements(role: &str, service: &str, given: Given) -> String {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let mut sql = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}; REVOKE ALL ON SCHEMA public FROM {role}; \
         GRANT USAGE ON SCHEMA public TO {role};"
    );
    for (rights, table) in BOTH.iter().chain(given) {
        sql += &format!("GRANT {rights} ON {table} TO {role};");
    }
    for (table, sees, writes) in ROWS {
        let (sees, writes) = (sees.replace("{service}", service), writes.replace("{service}", service));
        sql += &format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; DROP POLICY IF EXISTS {service} ON {table}; \
             CREATE POLICY {service} ON {table} TO {role} USING ({sees}) WITH CHECK ({writes});"
        );
    }
    sql
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    in_public: bool,
    #[diesel(sql_type = Bool)]
    is_there: bool,
    #[diesel(sql_type = Bool)]
    may_more: bool,
    #[diesel(sql_type = Bool)]
    is_member: bool,
    #[diesel(sql_type = Bool)]
    owns: bool,
    #[diesel(sql_type = Bool)]
    makes_schemas: bool,
}

/// What is wrong with a role, if anything.
async fn fault_of(conn: &mut Conn, role: &str) -> Result<Option<&'static str>, diesel::result::Error> {
    let query = "SELECT current_schema() IS NOT DISTINCT FROM 'public' AS in_public, count(oid) > 0 AS is_there, \
                 coalesce(bool_or(rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication), FALSE) AS may_more, \
                 coalesce(bool_or(EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)), FALSE) AS is_member, \
                 coalesce(bool_or(EXISTS (SELECT FROM pg_shdepend WHERE deptype = 'o' AND refobjid = pg_roles.oid \
                 AND refclassid = 'pg_authid'::regclass)), FALSE) AS owns, \
                 coalesce(bool_or(has_database_privilege(oid, current_database(), 'CREATE')), FALSE) AS makes_schemas \
                 FROM pg_roles WHERE rolname = $1";
    let found: Found = diesel::sql_query(query).bind::<Text, _>(role).get_result(conn).await?;
    Ok(match found {
        Found { is_there: false, .. } => Some("is not there"),
        Found { may_more: true, .. } => {
            Some("is a superuser, or passes policies by, makes roles or replicates")
        }
        Found { is_member: true, .. } => Some("is a member of another, and may what that may"),
        Found { owns: true, .. } => Some("owns something, and may do with that what it likes"),
        Found { makes_schemas: true, .. } => Some("could make schemas in the database, before ours"),
        Found { in_public: false, .. } => {
            Some("cannot be given anything: the tables are not in the schema public")
        }
        Found { .. } => None,
    })
}

#[derive(QueryableByName)]
struct Makes {
    #[diesel(sql_type = Bool)]
    tables: bool,
}

async fn makes_tables(conn: &mut Conn, role: &str) -> Result<bool, diesel::result::Error> {
    let query = "SELECT has_schema_privilege($1, 'public', 'CREATE') AS tables";
    let makes: Makes = diesel::sql_query(query).bind::<Text, _>(role).get_result(conn).await?;
    Ok(makes.tables)
}
