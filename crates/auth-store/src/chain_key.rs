//! The key of the audit chain: a file of its own, made once, proved at each start.

use auth_core::{audit::ChainKey, entropy::Entropy, error::StoreError};
use std::{
    io::{ErrorKind, Write as _},
    path::Path,
};
use zeroize::Zeroizing;

fn failed(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}", path.display()))
}

/// Reads the key, and keeps it its owner's alone; draws one where there is none and the store is new.
///
/// # Errors
/// A file that is not a key; a missing one where the store is not new.
pub(crate) fn load(path: &Path, fresh: bool, entropy: &dyn Entropy) -> Result<ChainKey, StoreError> {
    auth_store_sql::keep_private(path)?;
    if fresh && !path.exists() { make(path, entropy) } else { read(path) }
}

/// Reads the key.
///
/// # Errors
/// A file that is missing, or not a key.
#[expect(clippy::disallowed_methods, reason = "a store opens its files")]
pub(crate) fn read(path: &Path) -> Result<ChainKey, StoreError> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => parse(&text).ok_or_else(|| failed(path, "expected 64 hexadecimal digits")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(failed(path, "the key of the audit chain is missing; restore it beside the store"))
        }
        Err(error) => Err(failed(path, error)),
    }
}

fn parse(text: &str) -> Option<ChainKey> {
    let bytes = Zeroizing::new(data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok()?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
    (bytes != [0; 32]).then(|| ChainKey::new(bytes))
}

/// Writes a new key under another name and links it into place, which one of several processes wins; all then
/// read what stands there.
fn make(path: &Path, entropy: &dyn Entropy) -> Result<ChainKey, StoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice());
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix);
    let draft = path.with_extension(data_encoding::HEXLOWER.encode(&suffix));
    let mut file = auth_store_sql::create_private(&draft).map_err(|error| failed(&draft, error))?;
    let text = Zeroizing::new(format!("{}\n", data_encoding::HEXLOWER.encode(bytes.as_slice())));
    let linked = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&draft, path));
    // The draft has done its work either way.
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => auth_store_sql::sync_folder_of(path).map_err(|error| failed(path, error))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(path, error)),
    }
    read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test looks at the file")]
    fn a_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.key");
        let entropy = Counting(1.into());
        assert!(load(&path, false, &entropy).is_err(), "a store with a trail gets no new key");
        load(&path, true, &entropy).unwrap();
        let first = std::fs::read(&path).unwrap();
        load(&path, true, &entropy).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["", "abc", &"0".repeat(64), &"g".repeat(64), &"a".repeat(63)] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert!(parse(&"a".repeat(64)).is_some());
    }
}
