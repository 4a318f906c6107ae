//! `migrate`: the tables, before any service starts.

use crate::{
    arguments::Place,
    output::{Report, print},
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, json: bool) -> Result<(), String> {
    let location = place.location();
    let changed = auth_store::migrate(&location).await.map_err(|error| error.to_string())?;
    print(json, &Migrated { store: location.url.to_string(), changed })
}

#[derive(Serialize)]
struct Migrated {
    store: String,
    changed: bool,
}

impl Report for Migrated {
    fn text(&self) -> String {
        let Self { store, changed } = self;
        match changed {
            true => format!("{store} was brought to this version"),
            false => format!("{store} is of this version"),
        }
    }
}
