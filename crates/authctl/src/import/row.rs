//! One line: what it asks for, or why it cannot be taken.

use super::{
    Reason,
    file::{Fields, read_flag, required},
    wrong,
};
use auth_core::{
    credential::{NewSecret, begins_as_own},
    id::AccountId,
    model::{DomainName, Name},
    policy::{Permission, Permissions},
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use std::str::FromStr;

/// Columns that are known: those that are read, and the last four, which restrict nothing.
pub(super) const COLUMNS: [&str; 14] = [
    "key_hash",
    "key_prefix",
    "permissions",
    "name",
    "expires_at",
    "service",
    "account_id",
    "domain",
    "is_active",
    "revoked",
    "id",
    "created_at",
    "updated_at",
    "last_used_at",
];

/// How many characters of an old key its prefix has.
const PREFIX: usize = 8;

/// Whom a line gives its key to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Account(AccountId),
    Domain(DomainName),
}

/// A key that a line asks for.
#[derive(Debug, PartialEq)]
pub(super) struct OldKey {
    pub(super) secret: NewSecret,
    pub(super) name: Name,
    pub(super) permissions: Permissions,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) service: Service,
    pub(super) owner: Owner,
    /// Why it need not be taken: it was revoked, or has expired.
    pub(super) over: Option<&'static str>,
}

/// Reads a line.
pub(super) fn check(fields: &Fields, default: Option<&Owner>, now: Timestamp) -> Result<OldKey, Reason> {
    let digest = required(fields, "key_hash")?;
    // What stands there is not repeated: it may be a key.
    let digest = TokenDigest::from_hex(digest).ok_or(wrong("key_hash is not 64 hexadecimal digits"))?;
    let prefix = required(fields, "key_prefix")?;
    if !is_prefix(prefix) {
        return Err(wrong(format!("key_prefix is not {PREFIX} visible characters of ASCII")));
    }
    if begins_as_own(prefix) {
        return Err(wrong(
            "key_prefix begins as this system's own keys do, so the key would be taken for one that is broken",
        ));
    }
    let permissions = read_permissions(required(fields, "permissions")?)?;
    let expires_at = fields.get("expires_at").map(|text| read_time(text)).transpose()?;
    let name = fields.get("name").map_or("imported key", String::as_str);
    let name = Name::parse(name).map_err(|error| wrong(format!("name: {error}")))?;
    let owner = read_owner(fields, default)?;
    let service = read_service(fields, &owner)?;
    let foreign = permissions.beyond(Permissions::all_of(service));
    if !foreign.is_empty() {
        let names = foreign.names().join(", ");
        return Err(wrong(format!("keys of the {service} service cannot hold {names}")));
    }
    let (active, revoked) = (read_flag(fields, "is_active")?, read_flag(fields, "revoked")?);
    let over = if active == Some(false) || revoked == Some(true) {
        Some("the key was revoked")
    } else {
        expires_at.is_some_and(|end| end <= now).then_some("the key has expired")
    };
    let secret = NewSecret { digest, prefix: prefix.to_owned() };
    Ok(OldKey { secret, name, permissions, expires_at, service, owner, over })
}

/// Whether a text can be the beginning of an old key, and no more of it.
pub(super) fn is_prefix(text: &str) -> bool {
    text.len() == PREFIX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Names with anything between them that is no part of a name: as a JSON array, or separated by spaces,
/// commas or semicolons.
fn read_permissions(text: &str) -> Result<Permissions, Reason> {
    let part = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '[' | ']' | '"' | '\'');
    let names = text.split(part).filter(|name| !name.is_empty());
    // What stands there is not repeated: it may be a key that slipped into the column.
    let read = |(at, name): (usize, &str)| {
        Permission::parse(name).ok_or_else(|| wrong(format!("name {} of permissions is unknown", at + 1)))
    };
    let permissions: Permissions = names.enumerate().map(read).collect::<Result<_, _>>()?;
    if permissions.is_empty() { Err(wrong("permissions is empty")) } else { Ok(permissions) }
}

/// A time as RFC 3339, with a space for the `T`, and in UTC where no offset is given: as the earlier system
/// wrote them.
fn read_time(text: &str) -> Result<Timestamp, Reason> {
    let text = text.replacen(' ', "T", 1);
    let read = Timestamp::from_str(&text).or_else(|_| Timestamp::from_str(&format!("{text}Z")));
    read.map_err(|_| wrong("expires_at is not a time of RFC 3339"))
}

fn read_owner(fields: &Fields, default: Option<&Owner>) -> Result<Owner, Reason> {
    match (fields.get("account_id"), fields.get("domain"), default) {
        // A domain belongs to an account already: the line need not say to which.
        (_, Some(name), _) => {
            let name = DomainName::parse(name).map_err(|error| wrong(format!("domain: {error}")))?;
            Ok(Owner::Domain(name))
        }
        (Some(id), None, _) => {
            id.parse().map(Owner::Account).map_err(|_| wrong("account_id is not an identifier"))
        }
        (None, None, Some(owner)) => Ok(owner.clone()),
        (None, None, None) => Err(wrong("neither account_id nor domain is given")),
    }
}

fn read_service(fields: &Fields, owner: &Owner) -> Result<Service, Reason> {
    let implied = match owner {
        Owner::Account(_) => Service::Hub,
        Owner::Domain(_) => Service::Chatbot,
    };
    match fields.get("service").map(|name| Service::parse(name)) {
        None => Ok(implied),
        Some(Some(service)) if service == implied => Ok(service),
        Some(Some(Service::Hub)) => Err(wrong("a key of the Hub belongs to an account")),
        Some(Some(Service::Chatbot)) => Err(wrong("a key of the chatbot service belongs to a domain")),
        Some(None) => Err(wrong("service is neither hub nor chatbot")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "01939b5e-7c00-7000-8000-0000000000ab";
    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn line(changes: &[(&str, &str)]) -> Result<OldKey, Reason> {
        let mut fields = Fields::new();
        for (name, text) in [
            ("key_hash", HASH),
            ("key_prefix", "hub_a1b2"),
            ("permissions", r#"["billing_access", "call_management"]"#),
            ("account_id", ACCOUNT),
        ]
        .iter()
        .chain(changes)
        {
            fields.insert((*name).to_owned(), (*text).to_owned());
            fields.retain(|_, text| !text.is_empty());
        }
        check(&fields, None, "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_line_is_read_in_the_forms_that_the_earlier_system_wrote() {
        let key = line(&[]).unwrap();
        assert_eq!(key.secret.digest, TokenDigest::of("abc"));
        assert_eq!(key.permissions.names(), ["call_management", "billing_access"]);
        assert_eq!((key.service, key.expires_at), (Service::Hub, None));
        for form in [
            "billing_access call_management",
            "call_management,billing_access",
            "call_management; billing_access",
        ] {
            assert_eq!(line(&[("permissions", form)]).unwrap().permissions, key.permissions, "{form}");
        }
        for form in [
            "2027-01-01T00:00:00Z",
            "2027-01-01 00:00:00",
            "2027-01-01T01:00:00+01:00",
            "2027-01-01 00:00:00.000",
        ] {
            let end = "2027-01-01T00:00:00Z".parse().ok();
            assert_eq!(line(&[("expires_at", form)]).unwrap().expires_at, end, "{form}");
        }
        let chatbot = [("account_id", ""), ("domain", "Example.com"), ("permissions", "chat_access")];
        assert_eq!(line(&chatbot).unwrap().service, Service::Chatbot);
    }

    #[test]
    fn what_is_over_is_left_out() {
        for over in [
            ("is_active", "false"),
            ("is_active", "0"),
            ("revoked", "True"),
            ("expires_at", "2025-12-31T00:00:00Z"),
        ] {
            assert!(line(&[over]).is_ok_and(|key| key.over.is_some()), "{over:?}");
        }
        assert!(line(&[("is_active", "true"), ("revoked", "f")]).is_ok_and(|key| key.over.is_none()));
    }

    #[test]
    fn what_is_wrong_is_refused_and_never_repeated() {
        for (column, text) in [
            ("key_hash", ""),
            ("key_hash", "hub_this_is_the_key_itself"),
            ("key_hash", &HASH[1..]),
            ("key_prefix", "hub_a1b"),
            ("key_prefix", "hub a1b2"),
            ("key_prefix", "avk_a1b2"),
            ("key_prefix", "avw_a1b2"),
            ("permissions", ""),
            ("permissions", "[]"),
            ("permissions", "*"),
            ("permissions", "chat_access"),
            ("permissions", "hub_canary_in_permissions"),
            ("key_prefix", "hub_canary_the_whole_key"),
            ("expires_at", "tomorrow"),
            ("account_id", ""),
            ("account_id", "1"),
            ("domain", "a b"),
            ("service", "chatbot"),
            ("service", "both"),
            ("is_active", "perhaps"),
        ] {
            let Err(Reason::Wrong(reason)) = line(&[(column, text)]) else { panic!("{column}: {text}") };
            assert!(
                !reason.contains("canary")
                    && (column != "key_hash" || text.is_empty() || !reason.contains(text)),
                "{reason}"
            );
        }
    }
}
