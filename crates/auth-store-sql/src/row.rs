//! From columns to the types of the core. What no code of ours wrote is damage, not a guess.

use crate::{Done, Failure};
use auth_core::{
    id::{AccountId, CallId, ConnectionId, DomainId, KeyId, PasskeyId, PersonId, SessionId, TokenId, UserId},
    model::Version,
    principal::Tenant,
    time::Timestamp,
};
use std::{fmt::Display, str::FromStr};

/// The bytes of an identifier, a digest or a link.
pub fn bytes<const N: usize>(column: &[u8]) -> Done<[u8; N]> {
    column.try_into().map_err(|_| Failure::Damaged(format!("expected {N} bytes, found {}", column.len())))
}

macro_rules! ids {
    ($($name:ident -> $id:ident;)*) => {
        $(
            pub fn $name(column: &[u8]) -> Done<$id> {
                bytes(column).map($id::from_bytes)
            }
        )*
    };
}
ids! {
    account_id -> AccountId;
    domain_id -> DomainId;
    key_id -> KeyId;
    user_id -> UserId;
    token_id -> TokenId;
    call_id -> CallId;
    connection_id -> ConnectionId;
    person_id -> PersonId;
    session_id -> SessionId;
    passkey_id -> PasskeyId;
}

/// The tenant that two columns name.
pub fn tenant(account: &[u8], domain: Option<&[u8]>) -> Done<Tenant> {
    Ok(Tenant { account: account_id(account)?, domain: domain.map(domain_id).transpose()? })
}

/// A text that was parsed before it was stored.
pub fn text<T: FromStr<Err: Display>>(column: &str) -> Done<T> {
    column.parse().map_err(|error| Failure::Damaged(format!("a stored text does not read: {error}")))
}

/// A word of a closed set.
pub fn word<T>(found: Option<T>, column: &str) -> Done<T> {
    found.ok_or_else(|| Failure::Damaged(format!("a stored word is unknown: {column:?}")))
}

pub const fn time(column: i64) -> Timestamp {
    Timestamp::from_millis(column)
}

pub fn maybe_time(column: Option<i64>) -> Option<Timestamp> {
    column.map(Timestamp::from_millis)
}

pub const fn version(column: i64) -> Version {
    Version::from_stored(column)
}

/// Narrows a boxed query to what a scope covers. `domain: none` where rows belong to no domain.
#[macro_export]
macro_rules! scoped {
    ($query:expr, $scope:expr, account: $account:expr, domain: none) => {{
        use auth_core::policy::Within;
        match $scope.within() {
            Within::Everything => $query,
            Within::Account(id) => $query.filter($account.eq(id.as_bytes().to_vec())),
            Within::Domain(_) | Within::Nothing => {
                $query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>("1 = 0"))
            }
        }
    }};
    ($query:expr, $scope:expr, account: $account:expr, domain: $domain:expr) => {{
        use auth_core::policy::Within;
        match $scope.within() {
            Within::Everything => $query,
            Within::Account(id) => $query.filter($account.eq(id.as_bytes().to_vec())),
            Within::Domain(id) => $query.filter($domain.eq(id.as_bytes().to_vec())),
            Within::Nothing => $query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>("1 = 0")),
        }
    }};
}
