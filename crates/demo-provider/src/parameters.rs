//! The parameters of a query or a form.

use std::collections::BTreeMap;

/// Parameters, each of which came once.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads them; the error says which came twice.
    pub(crate) fn read(encoded: &[u8]) -> Result<Self, String> {
        let mut read = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if read.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(format!("{name} came twice"));
            }
        }
        Ok(Self(read))
    }
    /// One of them; without a value it counts as absent (RFC 6749 §3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
    /// One that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("{name} is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_twice_is_refused_and_what_is_empty_is_absent() {
        let read = Parameters::read(b"a=1%202&b=&c=+").unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c")), (Some("1 2"), None, Some(" ")));
        assert_eq!(read.need("b"), Err("b is missing".to_owned()));
        assert_eq!(Parameters::read(b"a=1&b=2&%61=1").unwrap_err(), "a came twice");
    }
}
