//! Checking the audit trail of a store against its key and its anchor.

use crate::{Location, chain_key};
use auth_core::{
    audit::{Broken, Head, Verifier},
    error::StoreError,
    port::Stores,
};
use std::io::ErrorKind;

/// Entries that are read at once.
const BATCH: u16 = 1000;

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
        line: usize,
    },
    /// The anchor is empty, or was until this program opened the store, although the trail is not.
    #[error("the anchor holds no head: it was emptied or removed")]
    Unanchored,
    /// The trail, its key or its anchor cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the whole trail: that the key of this location made each entry, that none is missing, and that it
/// holds every head that the anchor, or `heads` from elsewhere, remember. A service may write to the trail
/// meanwhile. `progress` is told the number of entries that stand so far.
///
/// # Errors
/// [`Unverified`] says where the trail is broken, or why it cannot be read.
pub async fn verify_trail(
    location: &Location,
    stores: &Stores,
    heads: Vec<Head>,
    mut progress: impl FnMut(i64),
) -> Result<Head, Unverified> {
    let key = chain_key::read(&location.key()?)?;
    // The anchor first: what is written to both from now on is in the trail when its turn comes.
    let mut anchors = read_anchor(location)?;
    let unanchored = anchors.is_empty();
    anchors.extend(heads);
    let mut verifier = Verifier::new(&key, anchors)?;
    loop {
        let at = verifier.head();
        let head = stores.audit.head().await?;
        // From before the first and to the last: an entry may have been put on either side.
        let from = if at.seq == 0 { i64::MIN } else { at.seq + 1 };
        let entries = stores.audit.scan(from, BATCH).await?;
        if entries.is_empty() {
            return Ok(verifier.finish(head)?);
        }
        if unanchored {
            return Err(Unverified::Unanchored);
        }
        for entry in &entries {
            verifier.next(entry)?;
        }
        progress(verifier.head().seq);
    }
}

#[expect(clippy::disallowed_methods, reason = "a store opens its files")]
fn read_anchor(location: &Location) -> Result<Vec<Head>, Unverified> {
    let path = location.anchor()?;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(StoreError::Unavailable(format!("{}: {error}", path.display())).into()),
    };
    let whole = text.split_inclusive('\n').enumerate();
    // A last line without its end is being written, or was when the process ended.
    let whole = whole.filter(|(_, line)| line.ends_with('\n'));
    let head = |(at, line): (usize, &str)| {
        Head::from_anchor(line.trim_end()).ok_or(Unverified::AnchorLine { line: at + 1 })
    };
    whole.map(head).collect()
}
