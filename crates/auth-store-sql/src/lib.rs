//! What the SQL stores share: the tables in types that every database has, what columns mean, and the files that
//! belong to a store. The ports themselves are written once in `ports/`, and compiled in each store against its own
//! connection (ADR 5).

mod anchor;
mod failure;
mod private;
#[doc(hidden)]
pub mod row;
#[doc(hidden)]
pub mod schema;

pub use anchor::{Anchor, newest as newest_anchored};
pub use failure::{Done, Failure};
pub use private::{create_private, keep_private, sync_folder_of};

/// At most this many rows are deleted or updated in one transaction by commands without an end of their own.
pub const BATCH: u16 = 500;

/// How long a start, a write or a read waits for the database and for others that use it.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
