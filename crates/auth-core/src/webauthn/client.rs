//! What the browser says of a ceremony (§5.8.1), and the challenges that it is about.

use super::Wrong;
use crate::entropy::Entropy;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::{borrow::Cow, time::Duration};

/// The random bytes of a challenge (§13.4.3: at least 16).
pub const CHALLENGE_LEN: usize = 32;
/// How long one waits for its answer.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);

/// A challenge: no two are the same, and nobody knows one before it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Draws one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; CHALLENGE_LEN];
        entropy.fill(&mut bytes);
        Self(BASE64URL_NOPAD.encode(&bytes))
    }
    /// In base64url, as the browser will repeat it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The members that are judged. Others may come, and say nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData<'a> {
    #[serde(borrow, rename = "type")]
    ceremony: Cow<'a, str>,
    #[serde(borrow)]
    challenge: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    cross_origin: Option<bool>,
    #[serde(borrow)]
    top_origin: Option<Cow<'a, str>>,
}

fn read(json: &[u8]) -> Result<ClientData<'_>, Wrong> {
    serde_json::from_slice(json).map_err(|_| Wrong::ClientData)
}

/// The challenge that an answer says it is to; `None` for what is none of ours. Whether it is one, whoever keeps them knows.
pub fn challenge_of(client_data: &[u8]) -> Option<Challenge> {
    let text = read(client_data).ok()?.challenge.into_owned();
    (text.len() == BASE64URL_NOPAD.encode_len(CHALLENGE_LEN)).then_some(Challenge(text))
}

/// Judges all of it but the challenge.
pub(super) fn judge(json: &[u8], ceremony: &str, origin: &str) -> Result<(), Wrong> {
    let said = read(json)?;
    if said.ceremony != ceremony {
        return Err(Wrong::Ceremony);
    }
    if said.origin != origin {
        return Err(Wrong::Origin);
    }
    if said.cross_origin == Some(true) || said.top_origin.is_some() {
        return Err(Wrong::Framed);
    }
    Ok(())
}
