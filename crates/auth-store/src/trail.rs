//! Checking the audit trail of a store against its key and its anchor, without writing anything.

use crate::{Location, key_file, location::Database};
use auth_core::{
    audit::{Broken, Chained, Head, Verifier},
    error::StoreError,
};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Take},
    path::Path,
};

/// Entries that are read at once.
const BATCH: u16 = 1000;
/// More than the longest line of an anchor has: what is longer is none.
const LONGEST: u64 = 128;
/// The digits of a link.
const LINK_DIGITS: usize = 64;

/// What was found of a trail that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Its end.
    pub head: Head,
    /// Lines of the anchor that were cut off while they were written, and were skipped. Later lines hold what
    /// they would have held.
    pub torn: u64,
}

/// Why a trail was not found to stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// It was tampered with, or it is not the one that the anchor remembers.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A line of the anchor that no code of ours wrote.
    #[error("line {line} of the anchor was altered")]
    AnchorLine {
        /// Its number, from 1.
        line: u64,
    },
    /// The anchor is empty, or was begun anew, although the trail was not.
    #[error("the anchor does not reach back to the trail's beginning: it was emptied, cut or removed")]
    Unanchored,
    /// The trail, its key or its anchor cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the whole trail: that the key of this location made each entry, that none is missing, and that it
/// holds every head that the anchor, or `heads` from elsewhere, remember. A service may write to the trail
/// meanwhile. Trail and anchor are read side by side, a part at a time. `progress` is told the number of entries
/// that stand so far, and the number that there were at the beginning.
///
/// # Errors
/// [`Unverified`] says where the trail is broken, or why it cannot be read.
pub async fn verify_trail(
    location: &Location,
    heads: Vec<Head>,
    mut progress: impl FnMut(i64, i64),
) -> Result<Verified, Unverified> {
    let key = key_file::read_chain(&location.key()?)?;
    // The anchor first: what is written to both from now on is in the trail when its turn comes.
    let mut anchor = Anchor::open(&location.anchor()?)?;
    let trail = Trail::open(location).await?;
    let total = trail.head().await?.seq;
    let mut verifier = Verifier::new(&key, heads)?;
    loop {
        let at = verifier.head();
        let head = trail.head().await?;
        // From before the first and to the last: an entry may have been put on either side.
        let from = if at.seq == 0 { i64::MIN } else { at.seq + 1 };
        let entries = trail.scan(from, BATCH).await?;
        if entries.is_empty() {
            let head = verifier.finish(head)?;
            anchor.is_over()?;
            if head.seq > 0 && !anchor.begins {
                return Err(Unverified::Unanchored);
            }
            return Ok(Verified { head, torn: anchor.torn });
        }
        if anchor.next()?.is_none() && !anchor.any {
            return Err(Unverified::Unanchored);
        }
        for entry in &entries {
            verifier.next(entry)?;
        }
        let stands = verifier.head().seq;
        while let Some(remembered) = anchor.next()?.filter(|remembered| remembered.seq <= stands) {
            is_held(&trail, &entries, remembered).await?;
            anchor.ahead = None;
        }
        progress(stands, total);
    }
}

/// A trail that is only read.
enum Trail {
    Sqlite(auth_store_sqlite::Trail),
    Postgres(auth_store_pg::Trail),
}

impl Trail {
    async fn open(location: &Location) -> Result<Self, StoreError> {
        match location.database()? {
            Database::Sqlite(path) => auth_store_sqlite::open_trail(&path).map(Self::Sqlite),
            Database::Postgres(address) => auth_store_pg::open_trail(&address).await.map(Self::Postgres),
        }
    }

    async fn scan(&self, from: i64, limit: u16) -> Result<Vec<Chained>, StoreError> {
        match self {
            Self::Sqlite(trail) => trail.scan(from, limit).await,
            Self::Postgres(trail) => trail.scan(from, limit).await,
        }
    }

    async fn head(&self) -> Result<Head, StoreError> {
        match self {
            Self::Sqlite(trail) => trail.head().await,
            Self::Postgres(trail) => trail.head().await,
        }
    }
}

/// Checks that an entry which stands is what the anchor remembers. Several processes may write their lines in
/// another order than they committed, so it may lie before what was read last.
async fn is_held(trail: &Trail, read: &[Chained], remembered: Head) -> Result<(), Unverified> {
    if remembered == Head::START {
        return Ok(());
    }
    let link = match read.iter().find(|entry| entry.seq == remembered.seq) {
        Some(entry) => Some(entry.link),
        None => trail.scan(remembered.seq, 1).await?.first().map(|entry| entry.link),
    };
    if link == Some(remembered.link) { Ok(()) } else { Err(Broken::Anchor { seq: remembered.seq }.into()) }
}

/// The file that remembers heads, read line by line up to where it ended when the check began.
struct Anchor {
    lines: Option<BufReader<Take<File>>>,
    line: u64,
    torn: u64,
    /// Whether any head was read.
    any: bool,
    /// Whether one of them was that of a trail without entries: the line that a new store begins with.
    begins: bool,
    /// The head that is to be checked next.
    ahead: Option<Head>,
}

impl Anchor {
    fn open(path: &Path) -> Result<Self, Unverified> {
        let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let lines = match File::open(path) {
            Ok(file) => {
                let length = file.metadata().map_err(failed)?.len();
                Some(BufReader::new(file.take(length)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error).into()),
        };
        Ok(Self { lines, line: 0, torn: 0, any: false, begins: false, ahead: None })
    }

    /// The next head, if there is one.
    fn next(&mut self) -> Result<Option<Head>, Unverified> {
        while self.ahead.is_none() {
            let Some(line) = self.line()? else { return Ok(None) };
            self.line += 1;
            // What a loss of power leaves behind the end of a file reads as zeros.
            let text = line.trim_matches(['\n', '\0']);
            match Head::from_anchor(text) {
                // A last line without its end may still be being written.
                Some(head) if line.ends_with('\n') => {
                    self.any = true;
                    self.begins |= head == Head::START;
                    self.ahead = Some(head);
                }
                _ if line.trim_matches('\n').is_empty() => {}
                Some(_) => self.torn += 1,
                None if is_torn(text) => self.torn += 1,
                None => return Err(Unverified::AnchorLine { line: self.line }),
            }
        }
        Ok(self.ahead)
    }

    fn line(&mut self) -> Result<Option<String>, Unverified> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        let mut line = Vec::new();
        let read = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        match read.map_err(|error| StoreError::Unavailable(format!("the anchor: {error}")))? {
            0 => Ok(None),
            _ => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
        }
    }

    /// Checks that nothing is remembered that the trail does not hold.
    fn is_over(&mut self) -> Result<(), Unverified> {
        let mut last = None;
        while let Some(head) = self.next()? {
            self.ahead = None;
            last = last.max(Some(head.seq).filter(|seq| *seq > 0));
        }
        last.map_or(Ok(()), |seq| Err(Broken::Anchor { seq }.into()))
    }
}

/// Whether a text is the beginning of an anchor's line, and not all of it.
fn is_torn(text: &str) -> bool {
    let (seq, link) = text.split_once(' ').unwrap_or((text, ""));
    let digits = seq.len() <= 19 && seq.bytes().all(|byte| byte.is_ascii_digit());
    let begun = link.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits && begun && link.len() < LINK_DIGITS && (!seq.is_empty() || link.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginnings_of_a_line_alone_are_torn() {
        let line = format!("12 {}", "0a".repeat(32));
        for end in 0..line.len() {
            assert!(is_torn(&line[..end]), "{}", &line[..end]);
        }
        for whole in [line.as_str(), "x", "12 x", " 0a", "-1", "12  0", "12345678901234567890"] {
            assert!(!is_torn(whole), "{whole}");
        }
    }
}
