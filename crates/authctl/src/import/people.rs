//! `import people`: people of the earlier system, with the hashes of their passwords.

use super::{
    BATCH, Imported, Named, Reason, ended,
    file::{self, Fields, read_flag, required},
    relabelled, wrong,
};
use crate::{
    arguments::{PeopleImport, Place},
    output::{print, progress},
    place::{Desk, failed},
};
use auth_core::{
    credential::PasswordHash,
    id::PersonId,
    model::{Address, Name, NewPerson},
    policy::{Installation, grant},
    port::ImportPeople,
};
use indicatif::ProgressBar;
use std::collections::{HashMap, HashSet};

/// Columns that are known: those that are read, and the last four, which restrict nothing.
const COLUMNS: [&str; 9] = [
    "email",
    "password_hash",
    "name",
    "is_verified",
    "is_active",
    "id",
    "created_at",
    "updated_at",
    "last_login_at",
];

const KNOWN: Reason = Reason::Over("the address is known already");

pub(super) async fn run(place: &Place, wanted: PeopleImport, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    let PeopleImport { file, dry_run, ignore } = wanted;
    let bar = progress("{bar:40} {bytes}/{total_bytes} read, {eta} left");
    let lines = file::open(&file, &COLUMNS, ignore.into_iter().collect(), &bar)?;
    let mut run = Run::new(&desk, dry_run);
    let done = run.all(lines, &bar).await;
    bar.finish_and_clear();
    print(json, &run.report)?;
    done?;
    ended(&run.report)
}

/// A person that a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OldPerson {
    address: Address,
    name: Name,
    password: PasswordHash,
    verified: bool,
    /// They need not be taken: they were suspended.
    over: bool,
}

/// Reads a line. What stands in it is not repeated: it may be a password.
fn check(fields: &Fields) -> Result<OldPerson, Reason> {
    let address = required(fields, "email")?;
    let address = Address::parse(address).map_err(|error| wrong(format!("email: {error}")))?;
    let password = required(fields, "password_hash")?;
    let password = password.parse().map_err(|error| wrong(format!("password_hash: {error}")))?;
    let local = address.as_str().split('@').next().unwrap_or_default();
    let name = Name::parse(fields.get("name").map_or(local, String::as_str));
    let name = name.map_err(|error| wrong(format!("name: {error}")))?;
    let verified = read_flag(fields, "is_verified")?.unwrap_or(true);
    let over = read_flag(fields, "is_active")? == Some(false);
    Ok(OldPerson { address, name, password, verified, over })
}

/// One import.
struct Run<'a> {
    desk: &'a Desk,
    dry_run: bool,
    /// What lines before asked for, by address.
    seen: HashMap<Address, (u64, OldPerson)>,
    /// Addresses of which lines say different things: none of them is believed.
    contradicted: HashSet<Address>,
    waiting: Vec<(u64, OldPerson)>,
    report: Imported,
}

impl<'a> Run<'a> {
    fn new(desk: &'a Desk, dry_run: bool) -> Self {
        let (seen, contradicted) = (HashMap::new(), HashSet::new());
        let report = Imported { dry_run, ..Imported::default() };
        Self { desk, dry_run, seen, contradicted, waiting: Vec::new(), report }
    }

    /// Reads the whole file before it writes: a later line may contradict an earlier one.
    async fn all(
        &mut self,
        lines: impl Iterator<Item = file::Line>,
        bar: &ProgressBar,
    ) -> Result<(), String> {
        for (number, line) in lines {
            self.report.lines += 1;
            let asked = line.map_err(Reason::Wrong);
            let address = asked.as_ref().ok().and_then(|fields| Address::parse(fields.get("email")?).ok());
            match asked.and_then(|fields| check(&fields)) {
                Ok(person) => self.take(number, person).await?,
                Err(reason) => self.note(number, address.as_ref(), reason),
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        relabelled(bar, waiting.len());
        while waiting.peek().is_some() {
            let batch: Vec<_> = waiting.by_ref().take(BATCH).collect();
            let written = batch.len() as u64;
            self.write(batch).await?;
            bar.inc(written);
        }
        self.report.refused.sort_by_key(|noted| noted.line);
        Ok(())
    }

    /// Lines a person up to be written, unless they are over or known.
    async fn take(&mut self, number: u64, person: OldPerson) -> Result<(), String> {
        let address = person.address.clone();
        let before = self.seen.entry(address.clone()).or_insert_with(|| (number, person.clone()));
        let (first, same) = (before.0, before.1 == person);
        let reason = if !same {
            self.contradict(&address, number);
            Some(wrong(format!("line {first} says something else of the same address")))
        } else if self.contradicted.contains(&address) {
            Some(wrong("another line says something else of the same address"))
        } else if first != number || self.is_known(&address).await? {
            Some(KNOWN)
        } else {
            person.over.then_some(Reason::Over("the person was suspended"))
        };
        match reason {
            Some(reason) => self.note(number, Some(&address), reason),
            None => self.waiting.push((number, person)),
        }
        Ok(())
    }

    /// Takes back what an earlier line asked for, since a later one says something else of the same address.
    fn contradict(&mut self, address: &Address, later: u64) {
        self.contradicted.insert(address.clone());
        let same = |(_, person): &mut (u64, OldPerson)| person.address == *address;
        for (number, person) in self.waiting.extract_if(.., same).collect::<Vec<_>>() {
            let reason = wrong(format!("line {later} says something else of the same address"));
            self.note(number, Some(&person.address), reason);
        }
    }

    /// Whether somebody has the address. Whoever they are, they stay as they are: they may have set another password since.
    async fn is_known(&self, address: &Address) -> Result<bool, String> {
        Ok(self.desk.stores().people.by_address(address).await.map_err(failed)?.is_some())
    }

    /// Writes some people in one transaction.
    async fn write(&mut self, waiting: Vec<(u64, OldPerson)>) -> Result<(), String> {
        if self.dry_run {
            self.report.imported += waiting.len();
            return Ok(());
        }
        let granted = grant::<ImportPeople, _>(&self.desk.proof, &Installation).map_err(failed)?;
        let platform = self.desk.any();
        let asked: Vec<_> =
            waiting.iter().map(|(number, person)| (*number, person.address.clone())).collect();
        let new = waiting.into_iter().map(|(_, person)| {
            let OldPerson { address, name, password, verified, .. } = person;
            let at = platform.now();
            let id = PersonId::draw(at, platform.entropy.as_ref());
            NewPerson { id, address, name, password, verified, asks: None, at }
        });
        let made = platform.stores.people.import(&granted, new.collect()).await.map_err(failed)?;
        for ((number, address), made) in asked.into_iter().zip(made) {
            if made {
                self.report.imported += 1;
            } else {
                // Somebody registered it since it was looked for.
                self.note(number, Some(&address), KNOWN);
            }
        }
        Ok(())
    }

    fn note(&mut self, line: u64, address: Option<&Address>, reason: Reason) {
        let email = address.map(ToString::to_string);
        self.report.note(line, Named::Person { email }, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    fn line(changes: &[(&str, &str)]) -> Result<OldPerson, Reason> {
        let mut fields = Fields::new();
        for (name, text) in [("email", "alice@example.com"), ("password_hash", HASH)].iter().chain(changes) {
            fields.insert((*name).to_owned(), (*text).to_owned());
            fields.retain(|_, text| !text.is_empty());
        }
        check(&fields)
    }

    #[test]
    fn a_line_is_read_with_each_kind_of_hash() {
        let person = line(&[]).unwrap();
        assert_eq!((person.name.as_str(), person.verified, person.over), ("alice", true, false));
        for version in ["$2a$", "$2b$", "$2y$"] {
            let hash = HASH.replacen("$2b$", version, 1);
            assert_eq!(line(&[("password_hash", &hash)]).unwrap().password.as_str(), hash);
        }
        let other = line(&[("email", "ALICE@Example.com"), ("name", "Alice"), ("is_verified", "0")]).unwrap();
        assert_eq!((other.address, other.name.as_str(), other.verified), (person.address, "Alice", false));
        assert!(line(&[("is_active", "False")]).unwrap().over);
    }

    #[test]
    fn what_is_wrong_is_refused_and_never_repeated() {
        for (column, text) in [
            ("email", ""),
            ("email", "canary"),
            ("email", "canary@example.com@example.com"),
            ("password_hash", ""),
            ("password_hash", "canary in clear"),
            ("password_hash", &HASH[1..]),
            ("password_hash", &HASH.replacen("$2b$", "$2x$", 1)),
            ("password_hash", &HASH.replacen("$10$", "$31$", 1)),
            ("name", &"canary".repeat(40)),
            ("is_verified", "canary"),
            ("is_active", "canary"),
        ] {
            let Err(Reason::Wrong(reason)) = line(&[(column, text)]) else { panic!("{column}: {text}") };
            assert!(reason.starts_with(column) && !reason.contains("canary"), "{reason}");
            assert!(!reason.contains("$2"), "{reason}");
        }
    }
}
