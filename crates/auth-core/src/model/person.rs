//! People: who logs in.

use super::{Name, PasskeyName, Set, Status, Version};
use crate::{
    credential::PasswordHash,
    id::{DomainId, PasskeyId, PersonId, SessionId},
    model::{Address, DomainName},
    policy::{Owned, Role},
    principal::Tenant,
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};

/// A person. One address is one person, whatever domains they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its identifier.
    pub id: PersonId,
    /// The address that they log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// Whether their logins and sessions are accepted.
    pub status: Status,
    /// Whether they administer the platform.
    pub is_super_admin: bool,
    /// When the address was shown to be theirs.
    pub verified_at: Option<Timestamp>,
    /// When they registered.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Person {
    /// Whether they were taken over from the earlier system with an address that it knew to be theirs, and are as they were
    /// then: no other password, no second factor, never suspended, and never logged out everywhere.
    pub fn is_as_imported(&self) -> bool {
        self.version == Version::FIRST && self.verified_at == Some(self.created_at) && !self.is_super_admin
    }
}

impl Owned for Person {
    type Id = PersonId;
    fn id(&self) -> PersonId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        None
    }
    fn person(&self) -> Option<PersonId> {
        Some(self.id)
    }
}

/// A person to be registered.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Its identifier.
    pub id: PersonId,
    /// The address that they will log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// The hash of their password.
    pub password: PasswordHash,
    /// Whether the address is known to be theirs.
    pub verified: bool,
    /// The domain that they want to be a member of.
    pub asks: Option<DomainId>,
    /// When they register.
    pub at: Timestamp,
}

/// What others may change of a person.
#[derive(Debug, Clone, Default)]
pub struct PersonPatch {
    /// Their name.
    pub name: Set<Name>,
    /// Whether their logins and sessions are accepted.
    pub status: Set<Status>,
    /// Whether they administer the platform.
    pub is_super_admin: Set<bool>,
}

impl PersonPatch {
    /// The person after the patch.
    #[must_use]
    pub fn over(&self, person: &Person) -> Person {
        Person {
            name: self.name.over(&person.name),
            status: self.status.over(&person.status),
            is_super_admin: self.is_super_admin.over(&person.is_super_admin),
            version: person.version.next(),
            ..person.clone()
        }
    }
}

/// What a login needs of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The person.
    pub person: Person,
    /// The hash of their password.
    pub password: PasswordHash,
    /// The domains that they belong to, of those that are in use.
    pub memberships: Vec<Membership>,
    /// Their authenticator, if there is one.
    pub totp: Option<TotpFactor>,
    /// Their passkeys, the oldest first.
    pub passkeys: Vec<PasskeyFactor>,
    /// How many recovery codes they have left.
    pub recovery_codes: u32,
}

impl Login {
    /// Whether their authenticator is a factor.
    pub fn has_totp(&self) -> bool {
        self.totp.as_ref().is_some_and(|factor| factor.is_confirmed)
    }
    /// Whether a second factor is asked for: recovery codes are none, but stand for one.
    pub fn has_factor(&self) -> bool {
        self.has_totp() || !self.passkeys.is_empty()
    }
}

/// An authenticator of a person: what makes time-based one-time passwords (RFC 6238).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpFactor {
    /// The secret, sealed for the person.
    pub secret: Sealed,
    /// The session that is enrolling it.
    pub session: SessionId,
    /// Whether a code of it was shown: until then it is no factor.
    pub is_confirmed: bool,
}

/// A passkey of a person (WebAuthn).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyFactor {
    /// Its identifier.
    pub id: PasskeyId,
    /// SHA-256 of the identifier that its authenticator gave it.
    pub digest: TokenDigest,
    /// What its person calls it.
    pub name: PasskeyName,
    /// The credential, sealed for its row and its person.
    pub sealed: Sealed,
    /// What its counter showed last.
    pub counter: u32,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was shown last.
    pub last_used_at: Option<Timestamp>,
}

/// A passkey to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its identifier.
    pub id: PasskeyId,
    /// SHA-256 of the identifier that its authenticator gave it: no two passkeys of whomever have the same.
    pub digest: TokenDigest,
    /// What its person calls it.
    pub name: PasskeyName,
    /// The credential, sealed for its row and its person.
    pub sealed: Sealed,
    /// Where its counter begins.
    pub counter: u32,
}

/// A second factor that was shown, to be used up where it is good once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorUse {
    /// The code of a step of the authenticator: none of this step or before was shown.
    Totp {
        /// The step.
        step: i64,
        /// The secret sealed anew, where an older key had sealed it.
        resealed: Option<Sealed>,
    },
    /// The same, of an authenticator that a session is enrolling: it is a factor from then on.
    NewTotp {
        /// The step.
        step: i64,
        /// The session.
        session: SessionId,
        /// The secret that it was judged by, as it is kept: another one may have come in its place.
        secret: Sealed,
    },
    /// A passkey, whose counter has to have risen where its authenticator counts.
    Passkey {
        /// Which.
        id: PasskeyId,
        /// What its counter shows.
        counter: u32,
        /// The credential sealed anew, where an older key had sealed it.
        resealed: Option<Sealed>,
    },
    /// A new passkey: it is a factor from then on.
    NewPasskey(NewPasskey),
    /// A recovery code.
    RecoveryCode {
        /// Its digest.
        digest: TokenDigest,
    },
}

impl FactorUse {
    /// Its name in audit events.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Totp { .. } | Self::NewTotp { .. } => "totp",
            Self::Passkey { .. } | Self::NewPasskey(_) => "webauthn",
            Self::RecoveryCode { .. } => "recovery_code",
        }
    }
    /// Whether it becomes a factor by this: all sessions of its person end then.
    pub const fn is_new(&self) -> bool {
        matches!(self, Self::NewTotp { .. } | Self::NewPasskey(_))
    }
    /// Which passkey it is, if it is one.
    pub const fn passkey(&self) -> Option<PasskeyId> {
        match self {
            Self::Passkey { id, .. } | Self::NewPasskey(NewPasskey { id, .. }) => Some(*id),
            Self::Totp { .. } | Self::NewTotp { .. } | Self::RecoveryCode { .. } => None,
        }
    }
}

/// That a person belongs to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The domain, with the account that owns it.
    pub tenant: Tenant,
    /// The domain.
    pub domain: DomainId,
    /// The domain's name.
    pub domain_name: DomainName,
    /// The role in it.
    pub role: Role,
}
