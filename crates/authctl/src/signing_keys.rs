//! `signing-keys`: what signs the access tokens of people.

use crate::{
    arguments::{Place, SigningKeys},
    output::{Report, columns, or_dash, print},
    place::failed,
};
use auth_core::{
    flow::{Handover, RotatedSigningKey, rotate_signing_key},
    jwt::{Kid, SigningKey},
    model::SigningKeyRecord,
    policy::{Installation, grant},
    port::RotateSigningKey,
    service::Service,
    time::Timestamp,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: SigningKeys, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    match command {
        SigningKeys::List => {
            let found = desk.stores().signing_keys.list().await.map_err(failed)?;
            print(json, &Listed(found.into_iter().rev().map(SigningKeyView::of).collect()))
        }
        SigningKeys::Rotate { algorithm, at_once } => {
            let platform = desk.platform(Service::Chatbot);
            // Whoever issues does not matter to a key.
            let keys = place.signing_keys(desk.stores(), "http://localhost").await?;
            let key = SigningKey::generate(algorithm, platform.entropy.as_ref());
            let key = key.map_err(|error| error.to_string())?;
            let granted = grant::<RotateSigningKey, _>(&desk.proof, &Installation).map_err(failed)?;
            let handover = if at_once { Handover::AtOnce } else { Handover::Orderly };
            let known = desk.stores().signing_keys.list().await.map_err(failed)?;
            let rotated = rotate_signing_key(platform, &keys, &granted, known.last(), &key, handover).await;
            print(json, &Rotated::of(rotated.map_err(failed)?))
        }
    }
}

#[derive(Serialize)]
struct SigningKeyView {
    kid: Kid,
    algorithm: &'static str,
    created_at: Timestamp,
    signs_from: Timestamp,
    ends_at: Option<Timestamp>,
}

impl SigningKeyView {
    fn of(record: SigningKeyRecord) -> Self {
        let SigningKeyRecord { kid, algorithm, created_at, signs_from, ends_at, .. } = record;
        Self { kid, algorithm: algorithm.name(), created_at, signs_from, ends_at }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<SigningKeyView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |key: &SigningKeyView| {
            let from = if key.signs_from == Timestamp::EPOCH { key.created_at } else { key.signs_from };
            let (from, until) = (from.to_string(), or_dash(key.ends_at));
            [key.kid.to_string(), key.algorithm.to_owned(), from, until]
        };
        columns(["KEY", "ALGORITHM", "SIGNS FROM", "TAKEN UNTIL"], self.0.iter().map(row))
    }
}

#[derive(Serialize)]
struct Rotated {
    kid: Kid,
    signs_from: Timestamp,
    old_until: Timestamp,
}

impl Rotated {
    fn of(RotatedSigningKey { kid, signs_from, old_until }: RotatedSigningKey) -> Self {
        Self { kid, signs_from, old_until }
    }
}

impl Report for Rotated {
    fn text(&self) -> String {
        let Self { kid, signs_from, old_until } = self;
        if *signs_from == Timestamp::EPOCH {
            return format!("signing key {kid}: signs at once; no token of an older key is taken any more");
        }
        format!(
            "signing key {kid}: signs from {signs_from} on; tokens of older keys are taken until {old_until}"
        )
    }
}
