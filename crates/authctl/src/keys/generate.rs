//! `keys generate`: many keys of one kind.

use super::{issue, read};
use crate::{
    arguments::KeysGenerate,
    output::{Report, progress},
    place::Desk,
};
use futures_util::future::try_join_all;
use serde::Serialize;
use std::io::{BufWriter, Write as _};

/// Keys that are made at the same time: as many as a store commits together.
const AT_ONCE: u32 = 256;

/// Makes the keys, a batch at a time, each batch's secrets durable in the file before the next is begun: what is
/// interrupted leaves at most one batch of keys whose secrets nobody has.
pub(super) async fn run(desk: &Desk, wanted: KeysGenerate) -> Result<Generated, String> {
    let KeysGenerate { count, file: path, each } = wanted;
    let (tenant, order) = read(desk, each).await?;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = BufWriter::new(auth_store::create_private(&path).map_err(failed)?);
    auth_store::sync_folder_of(&path).map_err(failed)?;
    let bar = progress("{bar:40} {pos}/{len} keys, {eta} left");
    bar.set_length(count.get().into());
    let mut left = count.get();
    while left > 0 {
        let batch = left.min(AT_ONCE);
        let issued = try_join_all((0..batch).map(|_| issue(desk, tenant, order.clone()))).await?;
        for key in issued {
            writeln!(file, "{}", key.secret.reveal().expose()).map_err(failed)?;
        }
        file.flush().and_then(|()| file.get_ref().sync_data()).map_err(failed)?;
        left -= batch;
        bar.inc(batch.into());
    }
    bar.finish_and_clear();
    Ok(Generated { keys: count.get(), file: path.display().to_string() })
}

#[derive(Serialize)]
pub(super) struct Generated {
    keys: u32,
    file: String,
}

impl Report for Generated {
    fn text(&self) -> String {
        format!("{} keys; their secrets are in {}", self.keys, self.file)
    }
}
