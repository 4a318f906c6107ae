//! Files that belong to a store: their owner's alone, and still there after a loss of power.

use auth_core::error::StoreError;
use std::{
    fs::{File, OpenOptions},
    path::Path,
};

/// Takes from a file what others than its owner may do with it.
///
/// # Errors
/// They can do something with it, and it belongs to somebody else, who alone may change that.
pub fn keep_private(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
        let failed = |error: std::io::Error| {
            StoreError::Unavailable(format!("{}: others may read it: {error}", path.display()))
        };
        let mode = match path.metadata() {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700)).map_err(failed)?;
            tracing::warn!(file = %path.display(), "others could read the file; now only its owner can");
        }
    }
    Ok(())
}

/// Makes a file that is not there yet, its owner's alone.
///
/// # Errors
/// There is something of this name already, or it cannot be made.
pub fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes what was done to the names in a file's folder outlast a loss of power.
///
/// # Errors
/// The folder cannot be opened or written.
pub fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
