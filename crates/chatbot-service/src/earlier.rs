//! Tokens of the earlier system, taken while its clients move: the section `[tokens.earlier]` of the configuration.

use crate::settings::secret;
use auth_core::{jwt::EarlierTokens, time::Timestamp};
use serde::Deserialize;
use std::path::PathBuf;

/// What the tokens of the earlier system are like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The file of the secret that signed them: at least 32 bytes.
    pub key_file: PathBuf,
    /// From when on none is taken (RFC 3339).
    pub until: Timestamp,
    /// The issuer that they name, if they do.
    pub issuer: Option<String>,
    /// The audience that they name, if they do.
    pub audience: Option<String>,
    /// The members that they have beside what is judged, such as `role`: these are passed over.
    #[serde(default)]
    pub beside: Vec<String>,
}

impl Earlier {
    /// What judges them.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn tokens(&self) -> Result<EarlierTokens, String> {
        let name = "tokens.earlier.key_file";
        let secret = secret(name, &self.key_file)?;
        let tokens = EarlierTokens::new(secret.as_bytes(), self.until);
        let tokens = tokens.map_err(|error| format!("{name}: {error}"))?;
        let tokens = tokens.named(self.issuer.clone(), self.audience.clone());
        tokens.beside(self.beside.clone()).map_err(|error| format!("tokens.earlier.beside: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn earlier(secret: &str, more: &str) -> Result<EarlierTokens, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(secret.as_bytes()).unwrap();
        let text = format!("key_file = {:?}\nuntil = \"2027-03-01T00:00:00Z\"\n{more}", file.path());
        toml::from_str::<Earlier>(&text).map_err(|error| error.to_string())?.tokens()
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let secret = "a secret of the earlier system, long enough\n";
        assert!(earlier(secret, "issuer = \"earlier\"\nbeside = [\"role\"]").is_ok());
        for (secret, more, expected) in [
            ("short", "", "tokens.earlier.key_file: a secret of at least 32 bytes"),
            (&"a".repeat(40), "", "tokens.earlier.key_file: a secret of at least 32 bytes"),
            ("", "", "tokens.earlier.key_file: the file is empty"),
            (secret, "beside = [\"sub\"]", "tokens.earlier.beside: \"sub\" is judged"),
            (secret, "leeway = 3", "unknown field"),
        ] {
            let error = earlier(secret, more).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let gone = Earlier {
            key_file: "/nowhere/at/all".into(),
            until: Timestamp::EPOCH,
            issuer: None,
            audience: None,
            beside: Vec::new(),
        };
        assert!(gone.tokens().unwrap_err().starts_with("tokens.earlier.key_file: /nowhere/at/all: "));
    }
}
