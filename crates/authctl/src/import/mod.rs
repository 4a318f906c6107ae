//! `import`: what the earlier system held.

mod file;
mod keys;
mod people;
mod row;

use crate::{
    arguments::{Import, Place},
    output::{Report, relabel},
};
use indicatif::ProgressBar;
use serde::Serialize;

/// What is written in one transaction: some round trips each, of a database that may not be near, within the time that a
/// command has; all others wait to write meanwhile.
const BATCH: usize = 50;

pub(crate) async fn run(place: &Place, wanted: Import, json: bool) -> Result<(), String> {
    match wanted {
        Import::Keys(wanted) => keys::run(place, wanted, json).await,
        Import::People(wanted) => people::run(place, wanted, json).await,
    }
}

/// Why a line makes nothing.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    /// It need not: what it asks for is over, or known.
    Over(&'static str),
    /// It is wrong.
    Wrong(String),
}

fn wrong(reason: impl Into<String>) -> Reason {
    Reason::Wrong(reason.into())
}

/// The file was read: the bar follows the writing.
fn relabelled(bar: &ProgressBar, count: usize) {
    relabel(bar, "{bar:40} {pos}/{len} written, {eta} left");
    bar.reset();
    bar.set_length(count as u64);
}

/// How the program ends.
fn ended(report: &Imported) -> Result<(), String> {
    match report.refused.len() {
        0 => Ok(()),
        1 => Err("1 line was refused".to_owned()),
        refused => Err(format!("{refused} lines were refused")),
    }
}

/// What became of the file.
#[derive(Default, Serialize)]
struct Imported {
    dry_run: bool,
    lines: usize,
    imported: usize,
    /// Need not be taken.
    left_out: Vec<Noted>,
    /// Cannot be taken.
    refused: Vec<Noted>,
}

#[derive(Serialize)]
struct Noted {
    line: u64,
    #[serde(flatten)]
    named: Named,
    reason: String,
}

/// What a line is about, as far as that can be said.
#[derive(Serialize)]
#[serde(untagged)]
enum Named {
    Key {
        /// What the line gives as its key's prefix.
        prefix: Option<String>,
    },
    Person {
        /// What the line gives as an address, if it is one.
        email: Option<String>,
    },
}

impl Imported {
    fn note(&mut self, line: u64, named: Named, reason: Reason) {
        match reason {
            Reason::Over(reason) => {
                self.left_out.push(Noted { line, named, reason: reason.to_owned() });
            }
            Reason::Wrong(reason) => self.refused.push(Noted { line, named, reason }),
        }
    }
}

impl Report for Imported {
    fn text(&self) -> String {
        let (left_out, refused) = (self.left_out.len(), self.refused.len());
        let done = if self.dry_run { "would be imported" } else { "imported" };
        let mut text =
            format!("{} lines: {} {done}, {left_out} left out, {refused} refused", self.lines, self.imported);
        for (word, noted) in [("left out", &self.left_out), ("refused", &self.refused)] {
            for Noted { line, named, reason } in noted {
                let (Named::Key { prefix: name } | Named::Person { email: name }) = named;
                let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                text.push_str(&format!("\nline {line}{name} {word}: {reason}"));
            }
        }
        text
    }
}
