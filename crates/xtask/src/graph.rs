//! Who may import whom, and what nothing may be called.

use crate::{
    Report,
    repository::{Crate, Failure, Repository},
};
use cargo_metadata::camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};

/// Each crate of the workspace, and which others it may import. What its tests import is its own matter.
const ARROWS: &[(&str, &[&str])] = &[
    ("auth-core", &[]),
    ("auth-address", &[]),
    ("demo-provider", &["auth-core"]),
    ("auth-store-sql", &["auth-core"]),
    ("auth-store-sqlite", &["auth-core", "auth-store-sql"]),
    ("auth-store-pg", &["auth-core", "auth-store-sql", "auth-address"]),
    ("auth-store-redis", &["auth-core", "auth-address"]),
    (
        "auth-store",
        &[
            "auth-address",
            "auth-core",
            "auth-store-sql",
            "auth-store-sqlite",
            "auth-store-pg",
            "auth-store-redis",
        ],
    ),
    ("auth-web", &["auth-core"]),
    ("calendar-providers", &["auth-core", "auth-web"]),
    ("hub-service", &["auth-core", "auth-store", "auth-web", "calendar-providers"]),
    ("chatbot-service", &["auth-core", "auth-store", "auth-web"]),
    (
        "authctl",
        &[
            "auth-core",
            "auth-store",
            "auth-web",
            "calendar-providers",
            "hub-service",
            "chatbot-service",
            "demo-provider",
        ],
    ),
    (
        "conformance",
        &[
            "auth-core",
            "auth-store",
            "auth-store-sqlite",
            "auth-store-pg",
            "auth-store-redis",
            "auth-web",
            "calendar-providers",
            "hub-service",
            "chatbot-service",
            "authctl",
            "demo-provider",
        ],
    ),
    (
        "benches",
        &[
            "auth-core",
            "auth-store",
            "auth-store-sqlite",
            "auth-web",
            "hub-service",
            "chatbot-service",
            "authctl",
            "conformance",
            "demo-provider",
        ],
    ),
    ("xtask", &[]),
];

/// The services never import each other, not even in tests: what needs both is in `conformance`.
const SERVICES: &[&str] = &["hub-service", "chatbot-service"];

/// A package that few crates may depend on, so that it can be replaced in one place.
struct Fence {
    package: &'static str,
    /// Who may.
    inside: &'static [&'static str],
    /// Whose tests and benches may, too.
    in_tests: &'static [&'static str],
}

const FENCES: &[Fence] = &[
    Fence { package: "actix-web", inside: &["auth-web"], in_tests: &["benches", "conformance"] },
    Fence {
        package: "diesel",
        inside: &["auth-store-sql", "auth-store-sqlite", "auth-store-pg", "conformance"],
        in_tests: &["authctl"],
    },
    Fence {
        package: "diesel-async",
        inside: &["auth-store-sqlite", "auth-store-pg"],
        in_tests: &["conformance"],
    },
    Fence { package: "tokio-postgres", inside: &["auth-store-pg", "conformance", "benches"], in_tests: &[] },
    Fence { package: "redis", inside: &["auth-store-redis", "conformance", "benches"], in_tests: &[] },
    Fence { package: "reqwest", inside: &["auth-web"], in_tests: &["conformance"] },
    Fence { package: "oauth2", inside: &["calendar-providers"], in_tests: &[] },
];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["common", "utils", "shared", "helpers", "manager"];

/// Every arrow between crates is in [`ARROWS`], every fence holds, and no name is empty.
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let crates = &repository.crates;
    let mut faults = strange_rows(crates);
    faults.extend(crates.iter().flat_map(strange_arrows));
    faults.extend(crates.iter().flat_map(broken_fences));
    faults.extend(empty_names(crates, &repository.files()?));
    let arrows: usize = crates.iter().map(|member| arrows(member, crates)).sum();
    Ok(Report { faults, seen: format!("{} crates, {arrows} arrows", crates.len()) })
}

/// Crates without a row, and rows without a crate.
fn strange_rows(crates: &[Crate]) -> Vec<String> {
    let crates: BTreeSet<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    let rows: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let unlisted = crates.difference(&rows).map(|name| format!("{name} has no row in graph::ARROWS"));
    let gone =
        rows.difference(&crates).map(|name| format!("graph::ARROWS has a row for {name}, which is no crate"));
    unlisted.chain(gone).collect()
}

/// Imports of workspace crates that the crate's row does not have.
fn strange_arrows(member: &Crate) -> Vec<String> {
    let rows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let allowed = rows.get(member.name.as_str()).copied().unwrap_or_default();
    let strange = |name: &&String| rows.contains_key(name.as_str()) && !allowed.contains(&name.as_str());
    let is_service = |name: &str| SERVICES.contains(&name);
    let other_service = |name: &&String| is_service(&member.name) && is_service(name);
    let imported =
        member.imports.iter().filter(strange).map(|name| format!("{} must not import {name}", member.name));
    let tested = member
        .test_imports
        .iter()
        .filter(other_service)
        .map(|name| format!("the tests of {} must not import {name}", member.name));
    imported.chain(tested).collect()
}

/// Fenced packages that the crate may not depend on.
fn broken_fences(member: &Crate) -> Vec<String> {
    let name = member.name.as_str();
    let mut faults = Vec::new();
    for Fence { package, inside, in_tests } in FENCES {
        let inside = inside.contains(&name);
        if member.imports.contains(*package) && !inside {
            faults.push(format!("{name} must not depend on {package}"));
        }
        if member.test_imports.contains(*package) && !inside && !in_tests.contains(&name) {
            faults.push(format!("the tests of {name} must not depend on {package}"));
        }
    }
    faults
}

/// Crates with an empty word in their name, and modules that are called by one.
fn empty_names(crates: &[Crate], files: &BTreeSet<Utf8PathBuf>) -> Vec<String> {
    let empty = |word: &str| EMPTY_NAMES.contains(&word);
    let crates = crates.iter().filter(|member| member.name.split(['-', '_']).any(empty));
    let crates = crates.map(|member| format!("{} says nothing of what is inside", member.name));
    let modules = files.iter().filter(|file| file.extension() == Some("rs"));
    let modules = modules.filter(|file| {
        let folder = file.parent().and_then(|folder| folder.file_name());
        file.file_stem().is_some_and(empty)
            || (file.file_name() == Some("mod.rs") && folder.is_some_and(empty))
    });
    let modules = modules.map(|file| format!("{file}: its name says nothing of what is inside"));
    crates.chain(modules).collect()
}

fn arrows(member: &Crate, crates: &[Crate]) -> usize {
    crates.iter().filter(|other| member.imports.contains(&other.name)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Crate {
        Crate { name: name.to_owned(), ..Crate::default() }
    }

    fn importing(name: &str, imports: &[&str]) -> Crate {
        Crate { imports: imports.iter().map(ToString::to_string).collect(), ..named(name) }
    }

    fn testing_with(name: &str, imports: &[&str]) -> Crate {
        Crate { test_imports: imports.iter().map(ToString::to_string).collect(), ..named(name) }
    }

    #[test]
    fn every_crate_has_a_row_and_every_row_a_crate() {
        let mut crates: Vec<_> = ARROWS.iter().map(|(name, _)| named(name)).collect();
        assert_eq!(strange_rows(&crates), [""; 0]);
        crates.retain(|member| member.name != "authctl");
        crates.push(named("auth-magic"));
        let faults = [
            "auth-magic has no row in graph::ARROWS",
            "graph::ARROWS has a row for authctl, which is no crate",
        ];
        assert_eq!(strange_rows(&crates), faults);
    }

    #[test]
    fn the_table_has_no_circle() {
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        for (name, imports) in ARROWS {
            assert!(
                imports.iter().all(|import| settled.contains(import)),
                "{name} comes before what it imports"
            );
            settled.insert(name);
        }
    }

    #[test]
    fn an_arrow_that_no_row_has_is_found() {
        assert_eq!(strange_arrows(&importing("auth-web", &["auth-core", "serde"])), [""; 0]);
        let faults = ["auth-web must not import auth-store"];
        assert_eq!(strange_arrows(&importing("auth-web", &["auth-core", "auth-store"])), faults);
        let faults = ["auth-magic must not import auth-core"];
        assert_eq!(strange_arrows(&importing("auth-magic", &["auth-core"])), faults);
    }

    #[test]
    fn services_never_import_each_other() {
        let faults = ["hub-service must not import chatbot-service"];
        assert_eq!(strange_arrows(&importing("hub-service", &["chatbot-service"])), faults);
        let faults = ["the tests of chatbot-service must not import hub-service"];
        assert_eq!(strange_arrows(&testing_with("chatbot-service", &["hub-service", "conformance"])), faults);
        assert_eq!(strange_arrows(&testing_with("auth-core", &["hub-service"])), [""; 0]);
    }

    #[test]
    fn a_fence_holds_outside_of_the_tests_that_may_pass_it() {
        assert_eq!(broken_fences(&importing("auth-web", &["actix-web"])), [""; 0]);
        assert_eq!(broken_fences(&testing_with("auth-web", &["actix-web"])), [""; 0]);
        assert_eq!(broken_fences(&testing_with("conformance", &["actix-web", "diesel", "reqwest"])), [""; 0]);
        let faults = ["conformance must not depend on reqwest"];
        assert_eq!(broken_fences(&importing("conformance", &["reqwest"])), faults);
        let faults = ["the tests of benches must not depend on diesel-async"];
        assert_eq!(broken_fences(&testing_with("benches", &["diesel-async"])), faults);
    }

    #[test]
    fn an_empty_name_is_found_in_crates_files_and_folders() {
        let crates = [named("auth-utils"), named("auth-core")];
        let files =
            ["a/src/common/mod.rs", "a/src/manager.rs", "a/src/managers.rs", "a/common/one.rs", "shared.md"];
        let faults = [
            "auth-utils says nothing of what is inside",
            "a/src/common/mod.rs: its name says nothing of what is inside",
            "a/src/manager.rs: its name says nothing of what is inside",
        ];
        assert_eq!(empty_names(&crates, &files.map(Utf8PathBuf::from).into()), faults);
    }
}
