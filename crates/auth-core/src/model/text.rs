//! Texts that callers send, parsed once at the edge. None can hold a control character: what one database
//! would refuse is refused here, so that all answer alike. What is parsed is in its normal form: parsed again, as
//! a store does that reads it back, it is taken and stays as it is.

use std::fmt;

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongText(pub &'static str);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Parses a text.
            ///
            /// # Errors
            /// [`WrongText`] says what was expected.
            pub fn parse(text: &str) -> Result<Self, WrongText> {
                let parse: fn(&str) -> Result<String, WrongText> = $parse;
                parse(text).map(Self)
            }
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = WrongText;
            fn from_str(text: &str) -> Result<Self, WrongText> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text! {
    /// A name for people: 1 to 200 characters, trimmed, no control characters.
    Name, |text| line(text.trim(), 1..=200, "expected 1 to 200 characters without control characters")
}
text! {
    /// What a person calls one of their passkeys: 1 to 64 characters, trimmed, no control characters.
    PasskeyName, |text| line(text.trim(), 1..=64, "expected 1 to 64 characters without control characters")
}
text! {
    /// A longer text: 1 to 8,000 characters; of the control characters only tab and line ends.
    Prose, |text| {
        let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        if (1..=8000).contains(&text.chars().count()) && text.chars().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err(WrongText("expected 1 to 8000 characters without control characters"))
        }
    }
}
text! {
    /// An address of electronic mail, in lower case: one `@`, at most 254 bytes (RFC 5321 §4.5.3.1.3).
    Email, |text| {
        let wrong = WrongText("expected an e-mail address");
        // Lengths are those of what is kept: a letter may be longer in lower case.
        let text = line(&text.to_lowercase(), 3..=254, wrong.0)?;
        let (local, domain) = text.split_once('@').ok_or(wrong.clone())?;
        let plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', ',', ';', '<', '>', '"']);
        if text.len() <= 254 && plain(local) && plain(domain) { Ok(text) } else { Err(wrong) }
    }
}
text! {
    /// An address that somebody logs in with: as [`Email`], the part before the `@` in ASCII alone and the domain in its
    /// one normal form, so that no two look alike.
    Address, |text| {
        let wrong = WrongText("expected an e-mail address in ASCII");
        let email = Email::parse(text.trim())?;
        let (local, domain) = email.as_str().split_once('@').ok_or(wrong.clone())?;
        let domain = DomainName::parse(domain).map_err(|_| wrong.clone())?;
        let address = format!("{local}@{domain}");
        if local.is_ascii() && address.len() <= 254 { Ok(address) } else { Err(wrong) }
    }
}
text! {
    /// A domain name in its one normal form: IDNA (UTS #46, strict), lower case, no final dot.
    DomainName, |text| {
        let wrong = WrongText("expected a domain name");
        if is_plain_name(text) {
            return Ok(text.to_owned());
        }
        let text = line(text, 1..=253, wrong.0)?;
        let ascii = idna::domain_to_ascii_strict(&text).map_err(|_| wrong.clone())?;
        let labels = |label: &str| !label.is_empty() && label.len() <= 63;
        if ascii.len() <= 253 && ascii.split('.').all(labels) { Ok(ascii) } else { Err(wrong) }
    }
}
text! {
    /// What a provider of calendars is called here: 1 to 32 lower-case letters, digits and `_`, a letter first.
    ProviderName, |text| {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase()) {
            Ok(text.to_owned())
        } else {
            Err(WrongText("expected the name of a provider, such as google"))
        }
    }
}
text! {
    /// A telephone number of ITU-T E.164: `+` and 7 to 15 digits, the first not 0.
    PhoneNumber, |text| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let good = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        if good && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(text.to_owned())
        } else {
            Err(WrongText("expected a number of E.164, such as +14155550123"))
        }
    }
}
text! {
    /// A language tag of BCP 47, such as `en` or `pt-BR`; checked for its shape only, and `_`
    /// becomes `-`.
    Language, |text| {
        let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let text = text.replace('_', "-");
        if text.len() <= 35 && text.split('-').all(part) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Ok(text)
        } else {
            Err(WrongText("expected a language tag, such as en or pt-BR"))
        }
    }
}
text! {
    /// A web origin (RFC 6454 §6.2): scheme, host and port as browsers send it in `Origin`.
    WebOrigin, |text| {
        let wrong = WrongText("expected an origin, such as https://www.example.com");
        let (scheme, authority) = text.split_once("://").ok_or(wrong.clone())?;
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let number = |port: &str| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
        let normal = DomainName::parse(host).is_ok_and(|name| name.as_str() == host);
        let default = matches!((scheme, port), ("https", Some("443")) | ("http", Some("80")));
        if matches!(scheme, "http" | "https") && normal && !default && port.is_none_or(number) {
            Ok(text.to_owned())
        } else {
            Err(wrong)
        }
    }
}

/// Whether a domain name is in its normal form for certain, as nearly all are that were parsed before: what IDNA would take
/// and leave as it is, told without its tables.
fn is_plain_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.get(2..4) != Some("--")
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn line(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<String, WrongText> {
    if length.contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(WrongText(expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a text is refused, or its normal form is taken and stays as it is.
    fn settles<T: std::str::FromStr<Err = WrongText> + fmt::Display + PartialEq + fmt::Debug>(text: &str) {
        if let Ok(parsed) = text.parse::<T>() {
            assert_eq!(parsed.to_string().parse::<T>().as_ref(), Ok(&parsed), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_parsed_is_parsed_again_to_the_same(
            any in ".{0,300}", letters in r"\PC{1,70}", long in "[\u{23a}İΣßa]{100,254}", tag in "[a-zA-Z0-9_-]{1,36}",
            label in r"[\pL\pN-]{1,20}", digits in "[0-9+]{0,8}",
        ) {
            let email = format!("{letters}@{label}.com");
            let (grows, host) = (format!("{long}@a.com"), format!("{label}.Example.com"));
            let origin = format!("https://{host}:{digits}");
            for text in [&any, &letters, &long, &tag, &label, &email, &grows, &host, &origin] {
                settles::<Name>(text);
                settles::<PasskeyName>(text);
                settles::<Prose>(text);
                settles::<Email>(text);
                settles::<DomainName>(text);
                settles::<Language>(text);
                settles::<WebOrigin>(text);
                settles::<PhoneNumber>(&format!("+{digits}"));
            }
        }
    }

    proptest! {
        #[test]
        fn a_plain_name_is_what_idna_leaves_as_it_is(name in "([a-z0-9-]{0,8}\\.){0,3}[a-z0-9-]{0,66}") {
            if is_plain_name(&name) {
                let ascii = idna::domain_to_ascii_strict(&name);
                prop_assert_eq!(ascii.ok(), Some(name));
            }
        }
    }

    #[test]
    fn an_address_that_grows_in_lower_case_is_measured_as_it_is_kept() {
        let address = |count: usize| format!("{}@a.com", "\u{23a}".repeat(count));
        assert!(Email::parse(&address(120)).is_err(), "366 bytes in lower case");
        settles::<Email>(&address(82));
        assert_eq!(Email::parse(&address(82)).unwrap().as_str().len(), 82 * 3 + 6);
        assert!(Email::parse(&address(83)).is_err());
    }

    #[test]
    fn a_language_has_one_separator() {
        assert_eq!(Language::parse("pt_BR").unwrap().as_str(), "pt-BR");
        assert!(Language::parse("_en").is_err() && Language::parse("en__").is_err());
    }

    #[test]
    fn a_domain_has_one_normal_form() {
        for text in ["Example.COM", "example.com", "EXAMPLE.com"] {
            assert_eq!(DomainName::parse(text).unwrap().as_str(), "example.com");
        }
        assert_eq!(DomainName::parse("Bücher.example").unwrap().as_str(), "xn--bcher-kva.example");
        for wrong in ["", ".", "a..b", "example.com.", "exa mple.com", "a\0b", "-a.com", "a_b.com", "a/b"] {
            assert!(DomainName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn no_text_holds_a_nul() {
        assert!(Name::parse("a\0b").is_err());
        assert!(Prose::parse("a\0b").is_err());
        assert!(Email::parse("a\0@example.com").is_err());
        assert!(Language::parse("e\0").is_err());
        assert!(PhoneNumber::parse("+1415555\0").is_err());
        assert!(WebOrigin::parse("https://a\0.example").is_err());
    }

    #[test]
    fn origins_are_those_that_browsers_send() {
        for good in ["https://www.example.com", "http://localhost:3000", "https://example.com:8443"] {
            assert!(WebOrigin::parse(good).is_ok(), "{good}");
        }
        for wrong in [
            "null",
            "*",
            "https://*.example.com",
            "https://Example.com",
            "https://example.com/",
            "https://example.com:443",
            "ftp://example.com",
            "https://user@example.com",
            "https://example.com:+8443",
        ] {
            assert!(WebOrigin::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_addresses_are_checked() {
        assert!(PhoneNumber::parse("+14155550123").is_ok());
        for wrong in ["14155550123", "+0123456789", "+1415", "+1415555012345678", "+1 415 555"] {
            assert!(PhoneNumber::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Email::parse("Alice@Example.com").unwrap().as_str(), "alice@example.com");
        for wrong in ["alice", "@example.com", "alice@", "a b@example.com", "a@b@c"] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
    }
}
