//! The anchor of the audit trail: a file that only grows, one line a head, and the log.

use crate::sync_folder_of;
use auth_core::audit::Head;
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// Where heads are anchored.
pub struct Anchor {
    file: File,
    /// The last head that stands in the file.
    noted: Option<i64>,
    /// The last head that was told to the log.
    told: Option<i64>,
}

/// How much of the file's end is looked at for the last heads: processes that share a store note theirs in any order.
const TAIL: u64 = 64 * 1024;

/// The newest head that a file remembers, by its end; `None` where there is no file, or no head in all of it.
///
/// # Errors
/// The file cannot be read, or is long and its end holds no head.
pub fn newest(path: &Path) -> std::io::Result<Option<Head>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    match tail.lines().filter_map(Head::from_anchor).max_by_key(|head| head.seq) {
        None if length > TAIL => Err(std::io::Error::other("the end of the audit anchor holds no head")),
        newest => Ok(newest),
    }
}

impl Anchor {
    /// Opens the file for appending, and notes the head that the trail was found with, so that there is no
    /// moment at which a trail has an entry and its anchor has nothing. Makes the file, readable by its owner
    /// alone, where there is none. What it holds then is durable.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub fn open(path: &Path, head: Head) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if file.metadata()?.len() == 0 && head.seq > 0 {
            tracing::error!(seq = head.seq, "the trail has entries, but its anchor is new: was it removed?");
        }
        append(&mut file, head)?;
        file.sync_all()?;
        sync_folder_of(path)?;
        let mut anchor = Self { file, noted: Some(head.seq), told: None };
        anchor.tell(head);
        Ok(anchor)
    }

    /// The number of the last head that stands in the file by this opening.
    pub const fn noted(&self) -> Option<i64> {
        self.noted
    }

    /// Notes a head that was committed. A failure is logged and the commit stands: what could not be noted is
    /// covered by the next head that can, since each head holds all before it.
    pub fn note(&mut self, head: Head) {
        self.tell(head);
        if self.noted >= Some(head.seq) {
            return;
        }
        match append(&mut self.file, head) {
            Ok(()) => self.noted = Some(head.seq),
            Err(error) => tracing::error!(%error, seq = head.seq, "the audit anchor could not be written"),
        }
    }

    /// Tells a head to the log, which is kept elsewhere.
    fn tell(&mut self, head: Head) {
        if self.told < Some(head.seq) {
            self.told = Some(head.seq);
            tracing::info!(target: "audit_anchor", seq = head.seq, link = %head.link, "audit head");
        }
    }
}

/// Appends a line in one write: whole lines, also when several processes write. Where the last line was cut off,
/// by a full disk or a loss of power, the new one begins on a line of its own.
fn append(file: &mut File, head: Head) -> std::io::Result<()> {
    let begin = if ends_with_a_line(file)? { "" } else { "\n" };
    file.write_all(format!("{begin}{}\n", head.to_anchor()).as_bytes())
}

fn ends_with_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::audit::Link;

    fn head(seq: i64) -> Head {
        Head { seq, link: Link::from_bytes([u8::try_from(seq).unwrap(); 32]) }
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_swallow_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.anchor");
        let mut anchor = Anchor::open(&path, Head::START).unwrap();
        // Another process, or this one, could write only a part.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"1 01").unwrap();
        anchor.note(head(2));
        anchor.note(head(2));
        let expected = [Head::START.to_anchor(), "1 01".to_owned(), head(2).to_anchor()];
        assert_eq!(text(&path).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_newest_head_is_found_behind_lines_that_were_cut_off_or_came_late() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.anchor");
        assert_eq!(newest(&path).unwrap(), None);
        let mut anchor = Anchor::open(&path, Head::START).unwrap();
        assert_eq!(newest(&path).unwrap(), Some(Head::START));
        let late = head(7).to_anchor();
        for seq in 1..200 {
            anchor.note(head(seq));
        }
        let write = |text: &str| {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        for text in [late.as_str(), "\n200 0a", "\n\n", "\0\0\0"] {
            write(text);
            assert_eq!(newest(&path).unwrap(), Some(head(199)), "{text:?}");
        }
        for _ in 0..2000 {
            write(&format!("{}\n", head(200).to_anchor()));
        }
        assert_eq!(newest(&path).unwrap(), Some(head(200)), "a long file is read from its end");
        write(&"nonsense\n".repeat(8000));
        assert!(newest(&path).is_err(), "what it remembers is not hidden behind lines of no code of ours");
    }

    #[test]
    fn a_head_that_could_not_be_written_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.anchor");
        let mut anchor = Anchor::open(&path, Head::START).unwrap();
        let good = std::mem::replace(&mut anchor.file, File::open(&path).unwrap());
        anchor.note(head(1));
        anchor.file = good;
        anchor.note(head(1));
        assert_eq!(text(&path), format!("{}\n{}\n", Head::START.to_anchor(), head(1).to_anchor()));
    }
}
