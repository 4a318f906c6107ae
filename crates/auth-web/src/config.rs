//! Configuration: one typed struct, from a TOML file and the environment. Unknown names are fatal.

use serde::de::DeserializeOwned;
use std::path::Path;
use toml::{Table, Value};

/// Reads a configuration: the file first, then variables of the environment that begin with `prefix`. The
/// variable `HUB_SERVER__LISTEN` sets `listen` in the section `[server]`; values read as TOML where they can,
/// else as text. `apart` names variables that are for others.
///
/// # Errors
/// One line that says which file, line or variable is wrong.
#[expect(clippy::disallowed_methods, reason = "this is where configuration is read")]
pub fn load<T: DeserializeOwned>(file: Option<&Path>, prefix: &str, apart: &[&str]) -> Result<T, String> {
    let text = match file {
        None => String::new(),
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let name = file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
    let variables = std::env::vars().filter_map(|(key, value)| {
        let key = key.strip_prefix(prefix)?.strip_prefix('_')?.to_lowercase();
        (!apart.contains(&key.as_str())).then_some((key, value))
    });
    merge(&name, &text, variables)
}

fn merge<T: DeserializeOwned>(
    name: &str,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, String> {
    let one_line = |error: &dyn std::fmt::Display| {
        let text = error.to_string();
        format!("{name}: {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| one_line(&error.message()))?;
    for (key, value) in variables {
        let mut place = &mut table;
        let mut parts: Vec<_> = key.split("__").collect();
        let Some(last) = parts.pop() else { continue };
        for part in parts {
            let section = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
            place = section.as_table_mut().ok_or_else(|| format!("{name}: {part} is not a section"))?;
        }
        place.insert(last.to_owned(), read(value));
    }
    Value::Table(table).try_into().map_err(|error: toml::de::Error| one_line(&without_text(error.message())))
}

/// What serde says of a value of the wrong type, without the value: it may be a secret that stands where it should not.
fn without_text(message: &str) -> String {
    match (message.split_once("string \""), message.rsplit_once("\", expected ")) {
        (Some((before, _)), Some((_, after))) => format!("{before}text, expected {after}"),
        _ => message.to_owned(),
    }
}

/// A value as TOML, else as text.
fn read(text: String) -> Value {
    let line = format!("value = {text}").parse::<Table>();
    line.ok().and_then(|mut line| line.remove("value")).unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        server: Server,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Server {
        listen: String,
        #[serde(default)]
        workers: usize,
    }

    fn merged(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        merge(
            "test.toml",
            text,
            variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn a_text_that_stands_where_it_should_not_is_not_repeated() {
        for secret in ["postgres://auth:hunter2@db/auth", "hunter2\", expected \"hunter2", "string \"hunter2"]
        {
            let error = merged("", &[("server", secret)]).unwrap_err();
            assert!(error.contains("invalid type: text, expected struct Server"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            let error = merged("server.listen = 'a'", &[("server__workers", secret)]).unwrap_err();
            assert!(error.contains("invalid type: text, expected usize"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let found =
            merged("[server]\nlisten = 'a'", &[("server__workers", "3"), ("server__listen", "[::1]:1")]);
        assert_eq!(found, Ok(Config { server: Server { listen: "[::1]:1".to_owned(), workers: 3 } }));
    }

    #[test]
    fn unknown_names_are_fatal_in_one_line() {
        for (text, variables) in [
            ("[server]\nlisten = 'a'\nlissten = 'b'", &[][..]),
            ("[server]\nlisten = 'a'\n[sever]", &[]),
            ("[server]\nlisten = 'a'", &[("server__lissten", "b")]),
            ("[server]\nlisten = 'a'", &[("sever__listen", "b")]),
            ("[server\n", &[]),
        ] {
            let error = merged(text, variables).unwrap_err();
            assert!(error.starts_with("test.toml: ") && !error.contains('\n'), "{error}");
        }
    }
}
