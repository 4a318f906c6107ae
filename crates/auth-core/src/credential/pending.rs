//! A login that waits for its second factor: `avm_`, then base64url of what the first factor showed, sealed. Nothing is
//! kept of it. It names the session that it will begin: as no two sessions have one name, it begins one at the most.

use crate::{
    entropy::Entropy,
    id::{PersonId, SessionId},
    model::{DomainName, Version},
    seal::{Cell, Keyring, Sealed},
    secret::{PlainToken, RevealOnce},
    service::Service,
    time::Timestamp,
};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a login waits for its second factor.
pub const PENDING: Duration = Duration::from_secs(5 * 60);

/// The prefix of a login that waits.
pub(super) const PENDING_PREFIX: &str = "avm_";
const CELL: Cell<'_> = Cell { table: "logins", column: "pending", row: &[] };
/// The most characters of one: that of the longest domain name.
const MOST: usize = 600;

/// What the first factor showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogin {
    /// The session that it will begin.
    pub session: SessionId,
    /// Who showed their password.
    pub person: PersonId,
    /// In which state they were.
    pub version: Version,
    /// Which service will take the access tokens.
    pub audience: Service,
    /// The domain that the login is for, where one was named.
    pub domain: Option<DomainName>,
    /// When it is over.
    pub expires_at: Timestamp,
}

impl PendingLogin {
    /// The text that whoever showed the password gets.
    pub fn seal(&self, keyring: &Keyring, entropy: &dyn Entropy) -> RevealOnce {
        let audience = [u8::from(self.audience == Service::Hub)];
        let (version, end) = (self.version.number().to_be_bytes(), self.expires_at.millis().to_be_bytes());
        let domain = self.domain.as_ref().map_or("", DomainName::as_str);
        let bytes = [
            self.session.as_bytes().as_slice(),
            self.person.as_bytes(),
            &version,
            &end,
            &audience,
            domain.as_bytes(),
        ]
        .concat();
        let sealed = keyring.seal(&CELL, &bytes, entropy);
        let text = format!("{PENDING_PREFIX}{}", BASE64URL_NOPAD.encode(sealed.as_bytes()));
        RevealOnce::new(PlainToken::new(text))
    }

    /// Reads one that is not over; `None` for what this platform did not make.
    pub fn open(text: &str, keyring: &Keyring, now: Timestamp) -> Option<Self> {
        let encoded = text.strip_prefix(PENDING_PREFIX).filter(|_| text.len() <= MOST)?;
        let sealed = Sealed::from_bytes(BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?);
        // Of minutes ago: what an older key sealed, whoever has it may have made since.
        let bytes = keyring.open(&CELL, &sealed).ok().filter(|_| keyring.is_newest(&sealed))?;
        let (session, rest) = bytes.split_first_chunk()?;
        let (person, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (end, rest) = rest.split_first_chunk()?;
        let (audience, domain) = rest.split_first()?;
        let domain = std::str::from_utf8(domain).ok().filter(|domain| !domain.is_empty());
        let pending = Self {
            session: SessionId::from_bytes(*session),
            person: PersonId::from_bytes(*person),
            version: Version::from_stored(i64::from_be_bytes(*version)),
            audience: if *audience == 1 { Service::Hub } else { Service::Chatbot },
            domain: domain.and_then(|domain| DomainName::parse(domain).ok()),
            expires_at: Timestamp::from_millis(i64::from_be_bytes(*end)),
        };
        (now < pending.expires_at).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Malformed, Refresh, classify};
    use zeroize::Zeroizing;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn what_was_sealed_is_read_until_its_end_and_is_no_other_credential() {
        let ring = |key: u8| Keyring::new(&[Zeroizing::new([key; 32])]).unwrap();
        let end = Timestamp::from_millis(1_800_000_000_000);
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        for (audience, domain) in
            [(Service::Chatbot, None), (Service::Hub, Some("example.com")), (Service::Hub, Some(&*longest))]
        {
            let pending = PendingLogin {
                session: SessionId::from_bytes([1; 16]),
                person: PersonId::from_bytes([2; 16]),
                version: Version::from_stored(3),
                audience,
                domain: domain.map(|name| DomainName::parse(name).unwrap()),
                expires_at: end,
            };
            let text = pending.seal(&ring(1), &Fixed(4)).reveal().expose().to_owned();
            let early = Timestamp::from_millis(end.millis() - 1);
            assert_eq!(PendingLogin::open(&text, &ring(1), early), Some(pending));
            assert_eq!(PendingLogin::open(&text, &ring(1), end), None);
            assert_eq!(PendingLogin::open(&text, &ring(2), early), None);
            let renewed = Keyring::new(&[1, 2].map(|key| Zeroizing::new([key; 32]))).unwrap();
            assert_eq!(PendingLogin::open(&text, &renewed, early), None, "sealed by an older key");
            assert_eq!(classify(&text), Err(Malformed), "it is no credential of any route");
            assert_eq!(Refresh::read(&text, &ring(1)), None);
            for at in 0..text.len() {
                assert_eq!(PendingLogin::open(&text[..at], &ring(1), early), None);
                let mut wrong = text.clone().into_bytes();
                wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(wrong == text || PendingLogin::open(&wrong, &ring(1), early).is_none(), "{at}");
            }
        }
    }
}
