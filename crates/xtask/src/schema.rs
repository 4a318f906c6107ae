//! Both SQL stores have the same tables: what their migrations make in the end is compared.

use crate::{
    Report,
    repository::{Failure, Repository},
};
use std::collections::{BTreeMap, BTreeSet};

const SQLITE: &str = "crates/auth-store-sqlite/migrations/";
const POSTGRES: &str = "crates/auth-store-pg/migrations/";

/// What migrations make: for each table or index its parts, in the words of SQLite; and the rows that they put in.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema(BTreeMap<String, BTreeSet<String>>);

/// The tables, indexes and first rows of both are the same, and no statement is of a kind that is not looked at.
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let read = |folder: &str| -> Result<Schema, Failure> {
        let files = repository.files()?;
        let mut schema = Schema::default();
        // In the order of their names, which is that of their numbers.
        for file in files.iter().filter(|file| file.as_str().starts_with(folder)) {
            schema.apply(&repository.read(file)?).map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(schema)
    };
    let (sqlite, postgres) = (read(SQLITE)?, read(POSTGRES)?);
    Ok(Report {
        faults: differences(&sqlite, &postgres),
        seen: format!("{} tables and indexes", sqlite.0.len()),
    })
}

fn differences(sqlite: &Schema, postgres: &Schema) -> Vec<String> {
    let none = BTreeSet::new();
    let names: BTreeSet<_> = sqlite.0.keys().chain(postgres.0.keys()).collect();
    let of = |schema: &Schema, name: &str| schema.0.get(name).unwrap_or(&none).clone();
    let mut faults = Vec::new();
    for name in names {
        let (left, right) = (of(sqlite, name), of(postgres, name));
        faults.extend(left.difference(&right).map(|part| format!("{name}: SQLite alone has: {part}")));
        faults.extend(right.difference(&left).map(|part| format!("{name}: Postgres alone has: {part}")));
    }
    faults
}

impl Schema {
    fn apply(&mut self, text: &str) -> Result<(), String> {
        for statement in statements(text) {
            self.run(&statement).ok_or_else(|| format!("a statement that is not looked at: {statement}"))?;
        }
        Ok(())
    }

    fn run(&mut self, statement: &str) -> Option<()> {
        // What wakes who waits is Postgres's alone.
        if ["CREATE FUNCTION ", "CREATE TRIGGER "].iter().any(|start| statement.starts_with(start)) {
            return Some(());
        }
        if let Some(table) = statement.strip_prefix("CREATE TABLE ") {
            let (name, parts) = table.trim_end_matches(" STRICT").split_once(" (")?;
            self.0.insert(name.to_owned(), items(parts.strip_suffix(')')?));
            return Some(());
        }
        if let Some(index) = statement.strip_prefix("CREATE INDEX ") {
            let (name, on) = index.split_once(" ON ")?;
            self.0.insert(format!("index {name}"), BTreeSet::from([on.to_owned()]));
            return Some(());
        }
        if let Some(name) = statement.strip_prefix("DROP INDEX ") {
            return self.0.remove(&format!("index {name}")).map(drop);
        }
        if let Some((table, column)) =
            statement.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN "))
        {
            self.0.get_mut(table)?.insert(column.to_owned());
            return Some(());
        }
        let row = statement.strip_prefix("INSERT INTO ")?;
        let table = row.split(' ').next()?;
        self.0.get_mut(table)?.insert(format!("the row {row}"));
        Some(())
    }
}

/// The parts of a table: what stands between commas outside of brackets.
fn items(text: &str) -> BTreeSet<String> {
    let mut depth = 0;
    let parts = text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(|part| part.trim().to_owned()).collect()
}

/// The statements of a text, each in one line without comments, with types and bytes as SQLite writes them.
fn statements(text: &str) -> Vec<String> {
    let text: Vec<_> = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let text = text.join(" ").replace("'\\x", "X'").replace("BYTEA", "BLOB").replace("BIGINT", "INTEGER");
    let mut statements = vec![String::new()];
    for (number, part) in text.split("$$").enumerate() {
        // Every other part is the body of a function.
        for (place, piece) in part.split(if number % 2 == 0 { ';' } else { '\0' }).enumerate() {
            if place > 0 {
                statements.push(String::new());
            }
            if let Some(last) = statements.last_mut() {
                last.push_str(piece);
            }
        }
    }
    let in_one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    statements.into_iter().map(in_one_line).filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(texts: &[&str]) -> Schema {
        let mut schema = Schema::default();
        texts.iter().for_each(|text| schema.apply(text).unwrap());
        schema
    }

    #[test]
    fn what_migrations_make_in_the_end_is_compared() {
        let sqlite = schema(&[
            "CREATE TABLE a (id BLOB NOT NULL PRIMARY KEY, -- the name\n n INTEGER, UNIQUE (id, n)) STRICT;
             CREATE INDEX a_by_n ON a (n);",
            "DROP INDEX a_by_n; CREATE INDEX a_by_n ON a (n, id); ALTER TABLE a ADD COLUMN m TEXT;
             INSERT INTO a (id) VALUES (X'00');",
        ]);
        let one = "CREATE TABLE a (id BYTEA NOT NULL PRIMARY KEY, n BIGINT, m TEXT, UNIQUE (id, n));
                   CREATE INDEX a_by_n ON a (n, id); INSERT INTO a (id) VALUES ('\\x00');
                   CREATE FUNCTION f() RETURNS TRIGGER AS $$ BEGIN x; y; END $$;";
        assert_eq!(differences(&sqlite, &schema(&[one])), [""; 0]);
        for (from, to) in [
            ("n BIGINT", "n TEXT"),
            ("UNIQUE (id, n)", "UNIQUE (n)"),
            ("a (n, id)", "a (n)"),
            (", m TEXT", ""),
            ("'\\x00'", "'\\x01'"),
            ("BYTEA NOT NULL", "BYTEA"),
        ] {
            let other = schema(&[&one.replace(from, to)]);
            assert!(!differences(&sqlite, &other).is_empty(), "{from}");
        }
    }

    #[test]
    fn a_statement_of_another_kind_is_a_fault() {
        for text in
            ["UPDATE a SET n = 1;", "DROP TABLE a;", "ALTER TABLE b ADD COLUMN m TEXT;", "DROP INDEX i;"]
        {
            assert!(Schema::default().apply(text).is_err(), "{text}");
        }
    }
}
