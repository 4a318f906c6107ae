//! `migrate`: the tables, before any service starts, and what each service's role may do with them.

use crate::{
    arguments::{Migrate, Place},
    output::{Report, print},
};
use auth_store::Roles;
use serde::Serialize;

pub(crate) async fn run(place: &Place, roles: Migrate, json: bool) -> Result<(), String> {
    let location = place.location();
    let roles = roles.hub_role.zip(roles.chatbot_role).map(|(hub, chatbot)| Roles { hub, chatbot });
    let changed = match &roles {
        Some(roles) => auth_store::migrate_for(roles, &location).await,
        None => auth_store::migrate(&location).await,
    }
    .map_err(|error| error.to_string())?;
    print(json, &Migrated { store: location.url.to_string(), changed, granted: roles.is_some() })
}

#[derive(Serialize)]
struct Migrated {
    store: String,
    changed: bool,
    granted: bool,
}

impl Report for Migrated {
    fn text(&self) -> String {
        let Self { store, changed, granted } = self;
        let done = match changed {
            true => format!("{store} was brought to this version"),
            false => format!("{store} is of this version"),
        };
        match granted {
            true => format!("{done}; each role may do what its service does"),
            false => done,
        }
    }
}
