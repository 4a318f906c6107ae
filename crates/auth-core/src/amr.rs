//! How a person proved who they are: authentication method references (RFC 8176).

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::fmt;

/// One way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A password (`pwd`).
    Password,
    /// A one-time password: of an authenticator, or a recovery code (`otp`).
    OneTimePassword,
    /// A key that the person holds: a passkey (`pop`).
    Passkey,
}

impl Method {
    const ALL: [Self; 3] = [Self::Password, Self::OneTimePassword, Self::Passkey];

    /// Its name in tokens (RFC 8176 §2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimePassword => "otp",
            Self::Passkey => "pop",
        }
    }
    const fn bit(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::OneTimePassword => 2,
            Self::Passkey => 4,
        }
    }
}

/// What a token says beside the methods where there was more than one of them (RFC 8176 §2).
const SEVERAL: &str = "mfa";
/// The contexts that `acr` names (RFC 9470 §4).
pub const CONTEXTS: [&str; 2] = ["pwd", "mfa"];

/// The methods of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Amr(u8);

impl Amr {
    /// These methods.
    pub fn of(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().fold(0, |bits, method| bits | method.bit()))
    }
    /// These and one more.
    #[must_use]
    pub const fn and(self, method: Method) -> Self {
        Self(self.0 | method.bit())
    }
    /// Whether there was more than one factor: something that the person has, beside what they know.
    pub const fn is_mfa(self) -> bool {
        self.0.count_ones() > 1
    }
    /// The context that it makes, as `acr` (RFC 9470 §4): `mfa`, or `pwd`.
    pub const fn acr(self) -> &'static str {
        let [one, several] = CONTEXTS;
        if self.is_mfa() { several } else { one }
    }
    /// The methods.
    pub fn methods(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.0 & method.bit() != 0)
    }
    /// Its words in a token.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        self.methods().map(Method::name).chain(self.is_mfa().then_some(SEVERAL))
    }
    /// As a store keeps it.
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// What a store kept; `None` for what no code of ours wrote.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::of(Method::ALL).0 == 0).then_some(Self(bits))
    }
}

#[cfg(test)]
impl serde::Serialize for Amr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// Reads exactly what is written: each method once, in their order, and `mfa` behind them where there are several.
impl<'de> Deserialize<'de> for Amr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Amr;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of authentication methods")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Amr, A::Error> {
                let (mut amr, mut several) = (Amr::default(), false);
                while let Some(word) = words.next_element::<&str>()? {
                    let method = Method::ALL.into_iter().find(|method| method.name() == word);
                    match method.filter(|method| !several && method.bit() > amr.0) {
                        Some(method) => amr = amr.and(method),
                        None if word == SEVERAL && amr.is_mfa() && !several => several = true,
                        None => return Err(A::Error::custom("not the methods of a login")),
                    }
                }
                if several == amr.is_mfa() {
                    Ok(amr)
                } else {
                    Err(A::Error::custom("one method is not several"))
                }
            }
        }
        deserializer.deserialize_seq(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_back_as_written_and_in_no_other_way() {
        for bits in 0..8 {
            let amr = Amr::from_bits(bits).unwrap();
            let text = serde_json::to_string(&amr).unwrap();
            assert_eq!(serde_json::from_str::<Amr>(&text).unwrap(), amr, "{text}");
            assert_eq!(text.contains("mfa"), bits.count_ones() > 1);
        }
        assert_eq!(Amr::from_bits(8), None);
        for wrong in [
            r#"["mfa"]"#,
            r#"["pwd","mfa"]"#,
            r#"["pwd","otp"]"#,
            r#"["otp","pwd","mfa"]"#,
            r#"["pwd","pwd"]"#,
            r#"["pwd","otp","mfa","mfa"]"#,
            r#"["pwd","mfa","otp"]"#,
            r#"["PWD"]"#,
            r#"["kba"]"#,
            r#""pwd""#,
            "null",
            r"[null]",
            r#"["\u0070wd"]"#,
        ] {
            assert!(serde_json::from_str::<Amr>(wrong).is_err(), "{wrong}");
        }
    }
}
