//! `totp`: what an authenticator would show now.

use crate::output::{Report, print};
use auth_core::{credential::TotpSecret, time::Clock as _};
use auth_web::system::SystemClock;
use serde::Serialize;
use std::io::Read as _;

/// The most that is read of the standard input.
const MOST: u64 = 1024;

pub(crate) fn run(json: bool) -> Result<(), String> {
    let mut text = String::new();
    let read = std::io::stdin().take(MOST).read_to_string(&mut text);
    read.map_err(|error| format!("standard input: {error}"))?;
    let secret = TotpSecret::parse(text.trim());
    let secret = secret.ok_or("standard input: expected the secret of an authenticator, in Base32")?;
    print(json, &Code { code: secret.code(SystemClock::start().now()) })
}

#[derive(Serialize)]
struct Code {
    code: String,
}

impl Report for Code {
    fn text(&self) -> String {
        self.code.clone()
    }
}
