//! The file: CSV or JSON lines, read line by line into texts by column.

use super::{Reason, wrong};
use indicatif::ProgressBar;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

/// The longest line of JSON, and the longest cell of CSV.
const LONGEST: u64 = 64 * 1024;

/// The columns of one line that hold anything.
pub(super) type Fields = BTreeMap<String, String>;

/// A line's number, from 1, and its columns, or why it cannot be read.
pub(super) type Line = (u64, Result<Fields, String>);

/// Opens the file, whose columns are known or to be ignored; `bar` follows the reading.
pub(super) fn open(
    path: &Path,
    known: &'static [&'static str],
    ignore: BTreeSet<String>,
    bar: &ProgressBar,
) -> Result<Box<dyn Iterator<Item = Line> + Send>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| named(&error))?;
    bar.set_length(file.metadata().map_err(|error| named(&error))?.len());
    let reader = bar.wrap_read(file);
    match path.extension().and_then(|kind| kind.to_str()) {
        Some("csv") => Ok(Box::new(csv_lines(reader, known, &ignore).map_err(|error| named(&error))?)),
        Some("jsonl") => Ok(Box::new(json_lines(reader, known, ignore))),
        _ => Err(named(&"expected a file that ends with .csv or .jsonl")),
    }
}

fn csv_lines<R: Read + Send>(
    reader: R,
    known: &[&str],
    ignore: &BTreeSet<String>,
) -> Result<impl Iterator<Item = Line> + Send + use<R>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(reader);
    let columns: Vec<String> =
        reader.headers().map_err(|error| plain(&error))?.iter().map(str::to_owned).collect();
    judge_columns(columns.iter().map(String::as_str), known, ignore)?;
    let line = move |record: csv::Result<csv::StringRecord>| match record {
        Ok(record) => {
            let cells = columns.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
            let cells = cells.map(|(column, cell)| {
                if cell.len() as u64 > LONGEST {
                    return Err(format!("a cell is longer than {LONGEST} bytes"));
                }
                if cell.contains(['\n', '\r']) {
                    return Err("a cell holds the end of a line".to_owned());
                }
                Ok((column.clone(), cell.to_owned()))
            });
            (record.position().map_or(0, csv::Position::line), cells.collect())
        }
        Err(error) => (error.position().map_or(0, csv::Position::line), Err(plain(&error))),
    };
    Ok(reader.into_records().map(line))
}

/// What is wrong with a line, without what stands in it: that may be a secret.
fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => "is not CSV".to_owned(),
    }
}

fn json_lines(
    reader: impl Read + Send,
    known: &'static [&'static str],
    ignore: BTreeSet<String>,
) -> impl Iterator<Item = Line> + Send {
    let mut reader = BufReader::new(reader);
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            let cut = line.len() as u64 == LONGEST && !line.ends_with(b"\n");
            return Some(match read {
                Ok(0) => return None,
                Ok(_) if cut => {
                    let reason = match reader.skip_until(b'\n') {
                        Ok(_) => format!("is longer than {LONGEST} bytes"),
                        Err(error) => error.to_string(),
                    };
                    (number, Err(reason))
                }
                Ok(_) if line.trim_ascii().is_empty() => continue,
                Ok(_) => {
                    // Some editors begin a file with the mark of UTF-8.
                    let text = line.strip_prefix(b"\xEF\xBB\xBF").filter(|_| number == 1);
                    (number, json_fields(text.unwrap_or(&line), known, &ignore))
                }
                Err(error) => (number, Err(error.to_string())),
            });
        }
    })
}

fn json_fields(line: &[u8], known: &[&str], ignore: &BTreeSet<String>) -> Result<Fields, String> {
    let members: BTreeMap<String, Value> =
        serde_json::from_slice(line).map_err(|_| "is not a JSON object".to_owned())?;
    judge_columns(members.keys().map(String::as_str), known, ignore)?;
    let mut fields = Fields::new();
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
            Value::Object(_) => return Err(format!("{name}: expected a text")),
        };
        if !text.is_empty() {
            fields.insert(name, text);
        }
    }
    Ok(fields)
}

/// Whether every column is known, or named as one that need not be read: any other might be a restriction
/// that nobody would keep.
fn judge_columns<'a>(
    columns: impl Iterator<Item = &'a str>,
    known: &[&str],
    ignore: &BTreeSet<String>,
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for column in columns {
        if !known.contains(&column) && !ignore.contains(column) {
            return Err(format!("unknown column {}; --ignore leaves it out", shown(column)));
        }
        if !seen.insert(column) {
            return Err(format!("two columns are called {}", shown(column)));
        }
    }
    Ok(())
}

/// A column's name in a message: its beginning, and nothing that a terminal acts on.
fn shown(column: &str) -> String {
    format!("{:?}", column.chars().take(32).collect::<String>())
}

/// The text of a column that must hold one.
pub(super) fn required<'a>(fields: &'a Fields, column: &str) -> Result<&'a str, Reason> {
    fields.get(column).map(String::as_str).ok_or_else(|| wrong(format!("{column} is missing")))
}

/// A column that is true or false, if it holds anything.
pub(super) fn read_flag(fields: &Fields, column: &str) -> Result<Option<bool>, Reason> {
    let Some(text) = fields.get(column) else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(Some(true)),
        "false" | "f" | "0" => Ok(Some(false)),
        _ => Err(wrong(format!("{column} is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["key_hash", "name", "id", "created_at", "expires_at", "is_active"];

    fn read(lines: impl Iterator<Item = Line>) -> Vec<(u64, Result<Vec<String>, String>)> {
        let flat = |fields: Fields| fields.into_iter().map(|(name, text)| format!("{name}={text}")).collect();
        lines.map(|(number, line)| (number, line.map(flat))).collect()
    }

    #[test]
    fn csv_lines_are_numbered_as_an_editor_does_and_say_nothing_of_their_content() {
        let text = "key_hash,name\n\"a\", Alice \n1,2,3\nb,\n";
        let found = read(csv_lines(text.as_bytes(), &KNOWN, &BTreeSet::new()).unwrap());
        let expected = [
            (2, Ok(vec!["key_hash=a".to_owned(), "name=Alice".to_owned()])),
            (3, Err("has 3 columns, the header has 2".to_owned())),
            (4, Ok(vec!["key_hash=b".to_owned()])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn cells_that_hold_more_than_a_line_are_refused() {
        let text = format!("key_hash,name\n\"a\nb\",x\n{},x\nb,x\n", "a".repeat(70_000));
        let found = read(csv_lines(text.as_bytes(), &KNOWN, &BTreeSet::new()).unwrap());
        assert_eq!(found.iter().map(|(_, line)| line.is_ok()).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_file_of_json_may_begin_with_the_mark_of_utf_8() {
        let text = "\u{feff}{\"name\":\"a\"}\n";
        let found = read(json_lines(std::io::Cursor::new(text), &KNOWN, BTreeSet::new()));
        assert_eq!(found, [(1, Ok(vec!["name=a".to_owned()]))]);
    }

    #[test]
    fn a_long_or_broken_line_of_json_leaves_the_others() {
        let long = "x".repeat(100_000);
        let text =
            format!("{{\"name\":\"a\",\"expires_at\":null}}\n\n{long}\n{{\"name\"\n{{\"is_active\":true}}");
        let found = read(json_lines(std::io::Cursor::new(text), &KNOWN, BTreeSet::new()));
        let expected = [
            (1, Ok(vec!["name=a".to_owned()])),
            (3, Err("is longer than 65536 bytes".to_owned())),
            (4, Err("is not a JSON object".to_owned())),
            (5, Ok(vec!["is_active=true".to_owned()])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_column_that_nobody_reads_is_named_before_anything_is_imported() {
        let judge = |columns: &[&str], ignore: &[&str]| {
            judge_columns(columns.iter().copied(), &KNOWN, &ignore.iter().map(ToString::to_string).collect())
        };
        assert_eq!(judge(&["key_hash", "id", "created_at"], &[]), Ok(()));
        assert!(judge(&["key_hash", "allowed_ips"], &[]).is_err_and(|error| error.contains("allowed_ips")));
        assert_eq!(judge(&["key_hash", "colour"], &["colour"]), Ok(()));
        assert!(judge(&["name", "name"], &[]).is_err());
    }
}
