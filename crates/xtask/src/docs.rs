//! Documentation in step with what is there.

use crate::{
    Report,
    repository::{Failure, Repository},
};
use cargo_metadata::camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use pulldown_cmark::{Event, Parser, Tag};
use std::collections::{BTreeMap, BTreeSet};

const MAP: &str = "ARCHITECTURE.md";
const DECISIONS: &str = "docs/adr";
const LIST_OF_DECISIONS: &str = "docs/adr/README.md";
/// What names the tests that show each defence.
const ATTACKS: &str = "crates/auth-core/ATTACKS.md";

/// The pages that are checked, by their path.
type Pages = BTreeMap<Utf8PathBuf, String>;

/// `ARCHITECTURE.md` names every crate, every link leads to a file, every decision is listed, and the tests that the page
/// of attacks names are there.
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let files = repository.files()?;
    let mut pages = Pages::new();
    for file in files.iter().filter(|file| is_page(file)) {
        pages.insert(file.clone(), repository.read(file)?);
    }
    let folders: Vec<_> = repository.crates.iter().map(|member| member.folder.as_path()).collect();
    let mut faults = absent_pages(&pages);
    faults.extend(unnamed_crates(&folders, &pages));
    faults.extend(dead_links(&files, &pages));
    faults.extend(unlisted_decisions(&pages));
    let tests = named_tests(&repository.read(Utf8Path::new(ATTACKS))?);
    let named: BTreeSet<_> = tests.iter().map(|(file, _)| file).collect();
    let mut sources = Pages::new();
    for file in files.iter().filter(|file| named.contains(file)) {
        sources.insert(file.clone(), repository.read(file)?);
    }
    faults.extend(absent_tests(&tests, &sources));
    let links: usize = pages.iter().map(|(page, text)| links(page, text).len()).sum();
    let seen = format!("{} pages, {links} links between files, {} tests", pages.len(), tests.len());
    Ok(Report { faults, seen })
}

/// Markdown at the root and below `docs`.
fn is_page(file: &Utf8Path) -> bool {
    file.extension() == Some("md") && (file.starts_with("docs") || file.components().count() == 1)
}

fn absent_pages(pages: &Pages) -> Vec<String> {
    let absent = ["README.md", MAP].into_iter().filter(|page| !pages.contains_key(Utf8Path::new(page)));
    absent.map(|page| format!("there is no {page}")).collect()
}

/// Folders of crates whose last part is no word of the map.
fn unnamed_crates(folders: &[&Utf8Path], pages: &Pages) -> Vec<String> {
    let map = pages.get(Utf8Path::new(MAP)).map_or("", String::as_str);
    let words: BTreeSet<&str> = map.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
    let unnamed =
        folders.iter().filter(|folder| !folder.file_name().is_some_and(|name| words.contains(name)));
    unnamed.map(|folder| format!("{MAP} does not name {folder}")).collect()
}

/// Links to what a fresh clone does not have.
fn dead_links(files: &BTreeSet<Utf8PathBuf>, pages: &Pages) -> Vec<String> {
    let folders: BTreeSet<&Utf8Path> = files.iter().flat_map(|file| file.ancestors().skip(1)).collect();
    let exists = |path: &Utf8Path| files.contains(path) || folders.contains(path);
    let mut faults = Vec::new();
    for (page, text) in pages {
        for (written, path) in links(page, text) {
            if !path.is_some_and(|path| exists(&path)) {
                faults.push(format!("{page}: the link to {written} leads nowhere"));
            }
        }
    }
    faults
}

/// Decision records (`NNNN-….md`) that the list does not link to.
fn unlisted_decisions(pages: &Pages) -> Vec<String> {
    let list = Utf8Path::new(LIST_OF_DECISIONS);
    let listed = links(list, pages.get(list).map_or("", String::as_str));
    let listed: BTreeSet<_> = listed.into_iter().filter_map(|(_, path)| path).collect();
    let decisions =
        pages.keys().filter(|page| page.parent() == Some(Utf8Path::new(DECISIONS)) && is_numbered(page));
    decisions
        .filter(|page| !listed.contains(*page))
        .map(|page| format!("{LIST_OF_DECISIONS} does not list {page}"))
        .collect()
}

fn is_numbered(page: &Utf8Path) -> bool {
    let number = page.file_name().and_then(|name| name.split_once('-')).map_or("", |(number, _)| number);
    number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The tests that a text names as `path.rs::function`: file and function.
fn named_tests(text: &str) -> BTreeSet<(Utf8PathBuf, String)> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !"/._-:".contains(c));
    let named = words.filter_map(|word| word.split_once(".rs::"));
    named
        .map(|(path, name)| (format!("{path}.rs").into(), name.trim_end_matches(['.', ':']).to_owned()))
        .collect()
}

/// Tests that are named, and whose file is not there or has no such function.
fn absent_tests(tests: &BTreeSet<(Utf8PathBuf, String)>, sources: &Pages) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, name) in tests {
        match sources.get(file) {
            None => faults.push(format!("{ATTACKS}: there is no {file}, which is to have {name}")),
            Some(text) if !text.contains(&format!("fn {name}(")) => {
                faults.push(format!("{ATTACKS}: {file} has no {name}"));
            }
            Some(_) => {}
        }
    }
    faults
}

/// The links of a page to other files: as written, and as a path from the root (none if it leaves that).
fn links(page: &Utf8Path, text: &str) -> Vec<(String, Option<Utf8PathBuf>)> {
    let written = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    let here = written
        .filter(|link| !link.starts_with('#') && !link.contains("://") && !link.starts_with("mailto:"));
    let resolved = |link: String| {
        let path = resolve(page, &link);
        (link, path)
    };
    here.map(resolved).collect()
}

fn resolve(page: &Utf8Path, link: &str) -> Option<Utf8PathBuf> {
    let path = link.split(['#', '?']).next()?;
    let from = if path.starts_with('/') { Utf8Path::new("") } else { page.parent()? };
    let mut found = Utf8PathBuf::new();
    for part in from.components().chain(Utf8Path::new(path).components()) {
        match part {
            Utf8Component::Normal(part) => found.push(part),
            Utf8Component::ParentDir => found.pop().then_some(())?,
            Utf8Component::CurDir | Utf8Component::RootDir | Utf8Component::Prefix(_) => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(pages: &[(&str, &str)]) -> Pages {
        pages.iter().map(|(page, text)| (Utf8PathBuf::from(page), (*text).to_owned())).collect()
    }

    #[test]
    fn a_crate_that_the_map_does_not_name_is_found() {
        let pages = pages(&[(MAP, "- `crates/auth-store-sqlite`: SQLite\n- [xtask](crates/xtask)\n")]);
        let folders = ["crates/auth-store", "crates/auth-store-sqlite", "crates/xtask"].map(Utf8Path::new);
        assert_eq!(unnamed_crates(&folders, &pages), ["ARCHITECTURE.md does not name crates/auth-store"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found_however_it_is_written() {
        let files = ["README.md", "docs/one.md", "docs/adr/README.md"].map(Utf8PathBuf::from).into();
        let good = "[a](../README.md#top) [b](adr/) [c](/docs/one.md) [d](#here) [e](https://example.com/x) `[f](g.md)`";
        assert_eq!(dead_links(&files, &pages(&[("docs/one.md", good)])), [""; 0]);
        let dead = "[a](gone.md#top) [b][r] ![c](/c.png) [d](../../README.md)\n\n[r]: gone/\n";
        let faults = ["gone.md#top", "gone/", "/c.png", "../../README.md"]
            .map(|link| format!("docs/one.md: the link to {link} leads nowhere"));
        assert_eq!(dead_links(&files, &pages(&[("docs/one.md", dead)])), faults);
    }

    #[test]
    fn a_decision_that_is_not_listed_is_found() {
        let mut pages = pages(&[
            ("docs/adr/README.md", "[1](0001-one.md), `0002-two.md`"),
            ("docs/adr/0001-one.md", ""),
            ("docs/adr/0002-two.md", ""),
            ("docs/adr/template.md", ""),
        ]);
        let second = "docs/adr/README.md does not list docs/adr/0002-two.md";
        assert_eq!(unlisted_decisions(&pages), [second]);
        pages.remove(Utf8Path::new(LIST_OF_DECISIONS));
        assert_eq!(
            unlisted_decisions(&pages),
            ["docs/adr/README.md does not list docs/adr/0001-one.md", second]
        );
    }

    #[test]
    fn a_test_that_is_named_and_not_there_is_found() {
        let page = "| A1 | `a/one.rs::it_holds`, a/one.rs::it_holds_too. | `one::Type`, `a/one.rs` |";
        let sources = |text| pages(&[("a/one.rs", text)]);
        let whole = "#[test]\nfn it_holds() {}\nasync fn it_holds_too(at: &At) {}\n";
        let tests = named_tests(page);
        assert_eq!(tests.len(), 2, "{tests:?}");
        assert_eq!(absent_tests(&tests, &sources(whole)), [""; 0]);
        let half = "fn it_holds() {}\nfn it_holds_too_late() {}\n";
        let gone = "crates/auth-core/ATTACKS.md: a/one.rs has no it_holds_too";
        assert_eq!(absent_tests(&tests, &sources(half)), [gone]);
    }

    #[test]
    fn a_test_in_a_file_that_is_not_there_is_found() {
        let tests = named_tests("`a/one.rs::it_holds` `a/two.rs::it_holds`");
        let sources = pages(&[("a/one.rs", "fn it_holds() {}")]);
        let gone = "crates/auth-core/ATTACKS.md: there is no a/two.rs, which is to have it_holds";
        assert_eq!(absent_tests(&tests, &sources), [gone]);
    }

    #[test]
    fn pages_that_must_be_there_are_missed() {
        assert_eq!(absent_pages(&pages(&[("README.md", "")])), ["there is no ARCHITECTURE.md"]);
    }
}
