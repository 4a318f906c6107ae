//! What an authenticator says (§6.1), byte for byte: nothing may be missing, and nothing may stand behind it.

use super::{MOST_ID, Wrong};
use coset::cbor::{Value, de::from_reader_with_recursion_limit};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

/// How deeply CBOR may be nested: an attestation object takes three.
const DEEPEST: usize = 8;

/// Authenticator data.
pub(super) struct AuthenticatorData {
    /// SHA-256 of the relying party's identifier.
    pub(super) site: [u8; 32],
    flags: u8,
    /// How many signatures the credential has made, where its authenticator counts them.
    pub(super) counter: u32,
    /// A new credential.
    pub(super) attested: Option<Attested>,
}

/// A new credential (§6.5.1).
pub(super) struct Attested {
    pub(super) id: Vec<u8>,
    /// The public key in COSE.
    pub(super) key: Vec<u8>,
}

impl AuthenticatorData {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let (site, rest) = bytes.split_first_chunk().ok_or(Wrong::Data)?;
        let (flags, rest) = rest.split_first().ok_or(Wrong::Data)?;
        let (counter, mut rest) = rest.split_first_chunk().ok_or(Wrong::Data)?;
        let attested = (flags & ATTESTED != 0).then(|| attested(&mut rest)).transpose()?;
        if flags & EXTENDED != 0 {
            // None was asked for, and none is read; some come all the same.
            value(&mut rest).filter(Value::is_map).ok_or(Wrong::Data)?;
        }
        if !rest.is_empty() {
            return Err(Wrong::Data);
        }
        Ok(Self { site: *site, flags: *flags, counter: u32::from_be_bytes(*counter), attested })
    }

    /// Somebody was there, and is who the authenticator knows.
    pub(super) const fn judge_user(&self) -> Result<(), Wrong> {
        if self.flags & PRESENT == 0 {
            return Err(Wrong::Absent);
        }
        if self.flags & VERIFIED == 0 {
            return Err(Wrong::Unverified);
        }
        if self.flags & BACKED_UP != 0 && !self.is_backup_eligible() {
            return Err(Wrong::Backup);
        }
        Ok(())
    }
    /// Whether the credential may be on several devices.
    pub(super) const fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }
}

fn attested(rest: &mut &[u8]) -> Result<Attested, Wrong> {
    let (_model, after) = rest.split_first_chunk::<16>().ok_or(Wrong::Data)?;
    let (length, after) = after.split_first_chunk().ok_or(Wrong::Data)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, mut after) = after.split_at_checked(length).ok_or(Wrong::Data)?;
    if id.is_empty() || id.len() > MOST_ID {
        return Err(Wrong::Credential);
    }
    let from = after;
    value(&mut after).ok_or(Wrong::Data)?;
    let key = from.get(..from.len() - after.len()).ok_or(Wrong::Data)?;
    let attested = Attested { id: id.to_vec(), key: key.to_vec() };
    *rest = after;
    Ok(attested)
}

/// Reads one value off the front.
pub(super) fn value(bytes: &mut &[u8]) -> Option<Value> {
    from_reader_with_recursion_limit(bytes, DEEPEST).ok()
}

/// The authenticator data in an attestation object (§6.5.4) whose format is `none`: there is no statement in it (§8.7).
pub(super) fn unattested(mut object: &[u8]) -> Result<Vec<u8>, Wrong> {
    let Some(Value::Map(members)) = value(&mut object) else { return Err(Wrong::Attestation) };
    if !object.is_empty() || members.len() != 3 {
        return Err(Wrong::Attestation);
    }
    let member =
        |name: &str| members.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value);
    let format = member("fmt").and_then(Value::as_text);
    let statement = member("attStmt").and_then(Value::as_map);
    if format != Some("none") || statement.is_none_or(|statement| !statement.is_empty()) {
        return Err(Wrong::Attestation);
    }
    member("authData").and_then(Value::as_bytes).cloned().ok_or(Wrong::Attestation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes is read or refused, and what is cut short or has something behind it is refused.
        #[test]
        fn any_bytes_are_data_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unattested(&bytes);
            if AuthenticatorData::parse(&bytes).is_ok() {
                prop_assert!(AuthenticatorData::parse(&[&bytes[..], &[0]].concat()).is_err());
            }
            let data = [[0; 32].as_slice(), &[PRESENT | ATTESTED | EXTENDED], &bytes].concat();
            let _ = AuthenticatorData::parse(&data);
        }
    }

    #[test]
    fn what_is_nested_deeply_is_no_value() {
        for (depth, read) in [(8, true), (9, false), (10_000, false)] {
            let nested = [vec![0x81; depth], vec![0]].concat();
            assert_eq!(value(&mut nested.as_slice()).is_some(), read, "{depth}");
        }
        // A length that nobody sent does not take memory.
        let long = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(value(&mut long.as_slice()).is_none());
    }
}
