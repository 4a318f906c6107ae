//! Files of keys, which lie outside the database: the key of the audit chain, and the keyring of a service. Each is made
//! once, and kept its owner's alone. A line is one key of 32 bytes, in hexadecimal digits.

use auth_core::{audit::ChainKey, entropy::Entropy, error::StoreError, port::KeySource, seal::Keyring};
use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

fn failed(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}", path.display()))
}

/// Reads the key of the audit chain; draws one where there is none and the store is new.
///
/// # Errors
/// A file that is not a key; a missing one where the store is not new.
pub(crate) fn load_chain(path: &Path, fresh: bool, entropy: &dyn Entropy) -> Result<ChainKey, StoreError> {
    load(path, fresh, entropy)?;
    read_chain(path)
}

/// Reads the key of the audit chain.
///
/// # Errors
/// A file that is missing, or not a key.
pub(crate) fn read_chain(path: &Path) -> Result<ChainKey, StoreError> {
    let text = read(path, "the key of the audit chain")?;
    match parse(&text).as_deref() {
        Some([key]) => Ok(ChainKey::new(**key)),
        _ => Err(failed(path, "expected 64 hexadecimal digits")),
    }
}

/// Reads a keyring, oldest key first; draws a first key where there is no file and nothing was sealed yet.
///
/// # Errors
/// A file that holds no keys; a missing one where something was sealed.
pub(crate) fn load_keyring(path: &Path, fresh: bool, entropy: &dyn Entropy) -> Result<Keyring, StoreError> {
    load(path, fresh, entropy)?;
    read_keyring(path)
}

/// Reads a keyring, oldest key first.
fn read_keyring(path: &Path) -> Result<Keyring, StoreError> {
    let text = read(path, "the keyring")?;
    let keys = parse(&text).and_then(|keys| Keyring::new(&keys));
    keys.ok_or_else(|| failed(path, "expected lines of 64 hexadecimal digits, no two the same"))
}

/// A keyring that is read whenever it is asked for.
pub(crate) struct KeyFile(pub(crate) PathBuf);

impl KeySource for KeyFile {
    fn keyring(&self) -> Result<Keyring, StoreError> {
        read_keyring(&self.0)
    }
}

/// Keeps a file its owner's alone, and makes it where there is none and it may be new.
fn load(path: &Path, fresh: bool, entropy: &dyn Entropy) -> Result<(), StoreError> {
    auth_store_sql::keep_private(path)?;
    if fresh && !path.exists() { make(path, entropy) } else { Ok(()) }
}

#[expect(clippy::disallowed_methods, reason = "a store opens its files")]
fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, StoreError> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(failed(path, format!("{what} is missing; restore it beside the store")))
        }
        Err(error) => Err(failed(path, error)),
    }
}

/// The keys of a file, if it holds nothing else: no line that is none, no key of zeros, and none twice.
fn parse(text: &str) -> Option<Vec<Zeroizing<[u8; 32]>>> {
    let mut keys: Vec<Zeroizing<[u8; 32]>> = Vec::new();
    for line in text.trim().lines() {
        let bytes = Zeroizing::new(data_encoding::HEXLOWER.decode(line.trim().as_bytes()).ok()?);
        let key = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
        if *key == [0; 32] || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    Some(keys)
}

/// Writes a new key under another name and links it into place, which one of several processes wins: what stands there
/// counts for all.
fn make(path: &Path, entropy: &dyn Entropy) -> Result<(), StoreError> {
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
        Ok(()) => auth_store_sql::sync_folder_of(path).map_err(|error| failed(path, error)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(path, error)),
    }
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
        assert!(load_chain(&path, false, &entropy).is_err(), "a store with a trail gets no new key");
        load_chain(&path, true, &entropy).unwrap();
        let first = std::fs::read(&path).unwrap();
        load_chain(&path, true, &entropy).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes the files")]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let reads = |text: &str| {
            std::fs::write(&path, text).unwrap();
            (read_chain(&path).is_ok(), load_keyring(&path, true, &Counting(1.into())).is_ok())
        };
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        for wrong in
            ["", "\n", "abc", &"0".repeat(64), &"g".repeat(64), &"a".repeat(63), &format!("{a}\n\n{b}")]
        {
            assert_eq!(reads(wrong), (false, false), "{wrong}");
        }
        assert_eq!(reads(&format!("{a}\n")), (true, true));
        assert_eq!(reads(&format!("{a}\n{b}\n")), (false, true), "a chain has one key");
        assert_eq!(reads(&format!("{a}\n{a}\n")), (false, false), "none stands twice");
    }

    #[test]
    fn a_keyring_that_sealed_something_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chatbot.keyring");
        assert!(load_keyring(&path, false, &Counting(1.into())).is_err());
        assert!(!path.exists());
        assert!(load_keyring(&path, true, &Counting(1.into())).is_ok());
        assert!(load_keyring(&path, false, &Counting(1.into())).is_ok());
    }
}
