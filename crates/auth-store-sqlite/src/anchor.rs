//! The anchor of the audit trail: a file that only grows, one line a head, and the log.

use auth_core::audit::Head;
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// How many entries lie at the most between two heads in the log.
const LOG_EVERY: i64 = 100;

/// Where heads are anchored.
pub(crate) struct Anchor {
    file: File,
    noted: i64,
    logged: i64,
}

impl Anchor {
    /// Opens the file for appending; makes it, readable by its owner alone, where there is none.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        end_last_line(&mut file)?;
        Ok(Self { file, noted: 0, logged: 0 })
    }

    /// Notes a head that was committed. One short write to a file opened for appending: whole lines, also when
    /// several processes write. A failure is logged; the commit stands.
    pub(crate) fn note(&mut self, head: Head) {
        if head.seq <= self.noted {
            return;
        }
        self.noted = head.seq;
        if let Err(error) = self.file.write_all(format!("{}\n", head.to_anchor()).as_bytes()) {
            tracing::error!(%error, "the audit anchor could not be written");
        }
        if head.seq >= self.logged + LOG_EVERY || self.logged == 0 {
            self.logged = head.seq;
            tracing::info!(target: "audit_anchor", seq = head.seq, link = %head.link, "audit head");
        }
    }
}

/// Ends a line that a full disk or a loss of power cut off, so that the next one stands on its own.
fn end_last_line(file: &mut File) -> std::io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
