//! Permissions of API keys: a closed set, held as bits.

use crate::{principal::Tenant, service::Service};
use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $bit:literal, $name:literal, $service:ident;)*) => {
        /// One permission. A key holds permissions of its own service only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, as stored and as sent.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            const fn bit(self) -> u32 {
                match self { $(Self::$variant => 1 << $bit,)* }
            }
            /// Whether keys of this service may hold it. `audit_read` exists at both.
            pub const fn belongs_to(self, service: Service) -> bool {
                matches!(self, Self::AuditRead)
                    || match self { $(Self::$variant => matches!(service, Service::$service),)* }
            }
        }
    };
}

permissions! {
    /// Read and rename the account; look up whose a domain is.
    AccountAccess = 0, "account_access", Hub;
    /// Start, read and cancel calls.
    CallManagement = 1, "call_management", Hub;
    /// Read usage and invoices.
    BillingAccess = 2, "billing_access", Hub;
    /// Use the calendars of the account's users.
    CalendarAccess = 3, "calendar_access", Hub;
    /// Manage the account's user records.
    UserManagement = 4, "user_management", Hub;
    /// Manage the account's API keys, never beyond the key's own rights.
    ApiKeyManagement = 5, "api_key_management", Hub;
    /// Read the audit trail of the account, or of the domain.
    AuditRead = 6, "audit_read", Hub;
    /// Mint, check and revoke temporary tokens of the domain.
    TokenGeneration = 7, "token_generation", Chatbot;
    /// Ask the domain's chatbot.
    ChatAccess = 8, "chat_access", Chatbot;
    /// Ask in which state access tokens are (RFC 7662): for keys of the platform's own services.
    Introspect = 9, "introspect", Chatbot;
}

impl Permission {
    /// Whether keys of the platform's own services hold it, and no tenant's.
    pub const fn is_of_platform(self) -> bool {
        matches!(self, Self::Introspect)
    }
    /// The permission of exactly this name: no case folding, no trimming, no patterns.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.name() == name)
    }
}

/// A set of permissions. Empty grants nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Permissions(u32);

impl Permissions {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Every permission that keys of a tenant may hold at a service.
    pub fn all_of(service: Service) -> Self {
        let held = |permission: &Permission| permission.belongs_to(service) && !permission.is_of_platform();
        Permission::ALL.iter().copied().filter(held).collect()
    }
    /// Every permission that keys of the platform itself may hold at a service.
    pub fn of_platform(service: Service) -> Self {
        let held = |permission: &Permission| permission.belongs_to(service) && permission.is_of_platform();
        Permission::ALL.iter().copied().filter(held).collect()
    }
    /// Every permission that keys of this tenant may hold at a service.
    pub fn of_tenant(tenant: Tenant, service: Service) -> Self {
        if tenant == Tenant::PLATFORM { Self::of_platform(service) } else { Self::all_of(service) }
    }
    /// Whether the set holds a permission.
    #[inline]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }
    /// What this set holds and `other` does not.
    pub const fn beyond(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
    /// The names, for storing and sending.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Permission::name).collect()
    }
    /// Reads names that a store kept, separated by spaces. A name that no code knows grants nothing.
    pub fn from_stored(names: &str) -> Self {
        names.split(' ').filter_map(Permission::parse).collect()
    }
    /// The names as a store keeps them, separated by spaces.
    pub fn to_stored(self) -> String {
        self.names().join(" ")
    }
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(members: I) -> Self {
        Self(members.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_unknown_ones_grant_nothing() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.name()), Some(*permission));
            assert_eq!(Permission::parse(&permission.name().to_uppercase()), None);
            assert_eq!(Permission::parse(&format!(" {}", permission.name())), None);
        }
        for wrong in ["*", "", "account", "account_access.read", "account_access,billing_access", "admin"] {
            assert_eq!(Permissions::from_stored(wrong), Permissions::NONE, "{wrong}");
        }
        assert_eq!(
            Permissions::from_stored("billing_access root account_access").names(),
            ["account_access", "billing_access"]
        );
    }

    #[test]
    fn no_permission_but_audit_read_is_shared_by_both_services() {
        for permission in Permission::ALL {
            let homes = Service::ALL.into_iter().filter(|service| permission.belongs_to(*service)).count();
            assert_eq!(homes, if *permission == Permission::AuditRead { 2 } else { 1 }, "{permission:?}");
        }
    }
}
