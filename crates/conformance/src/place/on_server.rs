//! Databases of a Postgres server, each for one place of a test.

use super::{CHATBOT_ROLE, HUB_ROLE, PASSWORD};
use auth_core::entropy::Entropy as _;
use auth_store::{Location, Roles};
use auth_web::system::OsEntropy;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

/// A database of its own, which is removed when this is dropped. Else a server that a whole suite runs on holds thousands:
/// what it remembers of each lies in its shared memory, of which a container has 64 MiB.
pub(super) struct Database {
    server: String,
    url: String,
    /// Its name, unless it stays.
    name: Option<String>,
    /// Connections that nobody uses: a new one knows nothing of the tables, and has to read of them all.
    idle: Mutex<Vec<Client>>,
}

impl Database {
    /// Makes one, empty or like another one of the server.
    pub(super) async fn make(server: &str, template: Option<&str>) -> Self {
        let mut name = [0; 8];
        OsEntropy.fill(&mut name);
        let name = format!("conformance_{}", data_encoding::HEXLOWER.encode(&name));
        ask(server, &format!("CREATE DATABASE {name} TEMPLATE {}", template.unwrap_or("template1")))
            .await
            .unwrap();
        let (place, _) =
            server.rsplit_once('/').filter(|_| server.matches('/').count() > 2).unwrap_or((server, ""));
        let url = format!("{place}/{name}");
        Self { server: server.to_owned(), url, name: Some(name), idle: Mutex::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements that leave nothing behind in their session, and answers the first columns of what they answer.
    pub(super) async fn ask(&self, sql: &str) -> Vec<String> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = idle().pop();
        // Whose runtime has ended, or whom a test cut off.
        known.take_if(|client| client.is_closed());
        let client = match known {
            Some(client) => client,
            None => connect(&self.url).await.unwrap(),
        };
        let answers = client.simple_query(sql).await.unwrap();
        idle().push(client);
        first_columns(answers)
    }

    /// Its name, for a database that others are copied from: nobody is in it from now on, as a copy asks for, and it stays.
    async fn keep(mut self) -> String {
        let name = self.name.take().unwrap();
        let alone = format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS FALSE; \
             SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        ask(&self.server, &alone).await.unwrap();
        name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let server = &self.server;
        std::thread::scope(|scope| {
            // A runtime cannot wait for another one on its own thread.
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                // A server that is gone, or does not answer, is one that a test of faults was done with.
                let asked = async { tokio::time::timeout(Duration::from_secs(10), ask(server, &drop)).await };
                let _ = runtime.block_on(asked);
            });
        });
    }
}

/// The name of a database of a server in which the tables are made and the services' roles have their rights, to be
/// copied. It is made once.
pub(super) async fn template(server: &str) -> String {
    static MADE: tokio::sync::Mutex<BTreeMap<String, String>> =
        tokio::sync::Mutex::const_new(BTreeMap::new());
    let mut made = MADE.lock().await;
    if let Some(name) = made.get(server) {
        return name.clone();
    }
    let roles = Roles { hub: HUB_ROLE.to_owned(), chatbot: CHATBOT_ROLE.to_owned() };
    for role in [&roles.hub, &roles.chatbot] {
        // Another process of ours may make it now.
        let make = format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$"
        );
        ask(server, &make).await.unwrap();
    }
    let database = Database::make(server, None).await;
    auth_store::migrate_for(&roles, &Location::at(database.url())).await.unwrap();
    let name = database.keep().await;
    made.insert(server.to_owned(), name.clone());
    name
}

/// The name of a database with the rows of another one, in which somebody may be, to be copied. Rows go as JSON.
pub(super) async fn copy(url: &str, server: &str) -> String {
    let tables = ask(
        url,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
         AND table_type = 'BASE TABLE' AND table_name <> '__diesel_schema_migrations' ORDER BY table_name",
    );
    let tables = tables.await.unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let select = |table: &String| {
        let own = if table == "replicas" { "WHERE id = decode(repeat('00', 16), 'hex')" } else { "" };
        format!("SELECT coalesce(json_agg(t)::TEXT, '[]') FROM {table} t {own};")
    };
    let selects: String = tables.iter().map(select).collect();
    let rows = ask(url, &format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {selects} COMMIT")).await.unwrap();
    let copy = Database::make(server, Some(&template(server).await)).await;
    let insert = |(table, rows): (&String, &String)| {
        let rows = rows.replace('\'', "''");
        format!("INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, '{rows}');")
    };
    let inserts: String = tables.iter().zip(&rows).map(insert).collect();
    // Without looking at what refers to what: the order of the tables is none.
    let fill = format!("SET session_replication_role = replica; TRUNCATE {}; {inserts}", tables.join(", "));
    ask(copy.url(), &fill).await.unwrap();
    copy.keep().await
}

async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs statements by a connection of their own, and answers the first columns of what they answer.
async fn ask(url: &str, sql: &str) -> Result<Vec<String>, Error> {
    Ok(first_columns(connect(url).await?.simple_query(sql).await?))
}

fn first_columns(answers: Vec<SimpleQueryMessage>) -> Vec<String> {
    let texts = answers.into_iter().filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    texts.collect()
}
