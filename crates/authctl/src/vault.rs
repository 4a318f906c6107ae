//! `vault`: the keys that seal the tokens of calendars' providers.

use crate::{
    arguments::{Place, Vault},
    output::{Report, print, progress},
    place::failed,
};
use auth_core::{
    flow::{Rekeyed, rekey},
    id::ConnectionId,
    service::Service,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: Vault, json: bool) -> Result<(), String> {
    let Vault::Rekey = command;
    let desk = place.operate().await?;
    let platform = desk.platform(Service::Hub);
    let (clock, entropy) = (platform.clock.as_ref(), platform.entropy.as_ref());
    let vault = hub_service::calendars::vault(&place.hub_location(), desk.stores(), clock, entropy).await?;
    let bar = progress("{bar:30} {pos} of {len} connections sealed anew, {eta} left");
    let told = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let rekeyed = rekey(platform, &desk.proof, &vault, told).await;
    bar.finish_and_clear();
    let rekeyed = Done::of(rekeyed.map_err(failed)?);
    print(json, &rekeyed)?;
    match rekeyed.unopened.len() {
        0 => Ok(()),
        count => Err(format!("{count} connections do not open; their users have to consent again")),
    }
}

#[derive(Serialize)]
struct Done {
    /// The key that seals everything that opens.
    key: String,
    resealed: u64,
    unopened: Vec<ConnectionId>,
    /// Older keys that something is sealed with still.
    needed: Vec<String>,
}

impl Done {
    fn of(Rekeyed { key, resealed, unopened, needed }: Rekeyed) -> Self {
        Self {
            key: key.to_string(),
            resealed,
            unopened: unopened.into_iter().map(|(id, _)| id).collect(),
            needed: needed.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let Self { key, resealed, unopened, needed } = self;
        let mut text = format!("sealed anew with the key {key}: {resealed} connections");
        for id in unopened {
            text.push_str(&format!("\ndoes not open: the connection {id}"));
        }
        if needed.is_empty() {
            text.push_str("\nOlder lines of the keyring are needed no more.");
        } else {
            text.push_str(&format!("\nStill needed: {}; run this again.", needed.join(", ")));
        }
        text
    }
}
