//! What the Hub's routes require, and which actions each requirement allows.

use auth_core::{
    error::Denial,
    id::AccountId,
    policy::{Allows, Assurance, Need, Nobody, Permission, Proof, Requirement, Role, Rule},
    port::{
        BeginAuthorization, CancelCall, ChangeAccount, ChangeKey, ChangeUser, CreateAccount, CreateKey,
        CreateUser, Disconnect, RemoveUser, RevokeKey, RotateKey, StartCall, SuspendAccount, UseConnection,
    },
    principal::{KeyPrincipal, PersonPrincipal, Principal, Tenant},
    service::Service,
};

macro_rules! key_rules {
    ($($(#[$doc:meta])* $name:ident: $permission:ident allows $($action:ident),*;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;

            impl Requirement for $name {
                const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Hub, Permission::$permission)]);
                type Subject = KeyPrincipal;
            }
            $(impl Allows<$action> for $name {})*
        )*
    };
}

key_rules! {
    /// A key that may work with calls.
    Calls: CallManagement allows StartCall, CancelCall;
    /// A key that may work with its account.
    AccountAccess: AccountAccess allows ;
    /// A key that may read what was used and what it costs.
    Billing: BillingAccess allows ;
    /// A key that may work with user records.
    Users: UserManagement allows CreateUser, ChangeUser, RemoveUser;
    /// A key that may use the calendars of its account's users.
    Calendars: CalendarAccess allows BeginAuthorization, UseConnection, Disconnect;
    /// A key that may manage keys.
    Keys: ApiKeyManagement allows ;
}

/// Whoever comes back from a provider of calendars.
#[derive(Debug)]
pub struct ComesBack;

impl Requirement for ComesBack {
    const RULE: Rule = Rule::Public {
        because: "a browser comes here from a provider, without a credential of ours: what it brings must fit a transaction \
                  that was begun here, for this browser, and that nobody has ended",
    };
    type Subject = Nobody;
}

/// Somebody who administers the platform, by an access token of the chatbot service, and has shown a second factor within
/// 15 minutes.
const SUPER: Need = Need::Person(&[Role::SuperAdmin], Assurance::FreshMfa);

/// A super admin.
#[derive(Debug)]
pub struct SuperAdmins;

impl Requirement for SuperAdmins {
    const RULE: Rule = Rule::AnyOf(&[SUPER]);
    type Subject = PersonPrincipal;
}
impl Allows<CreateAccount> for SuperAdmins {}
impl Allows<SuspendAccount> for SuperAdmins {}

macro_rules! key_or_super_rules {
    ($($(#[$doc:meta])* $name:ident: $permission:ident allows $($action:ident),*;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;

            impl Requirement for $name {
                const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Hub, Permission::$permission), SUPER]);
                type Subject = Principal;
            }
            $(impl Allows<$action> for $name {})*
        )*
    };
}

key_or_super_rules! {
    /// A key that may work with its account, or a super admin.
    AccountKeepers: AccountAccess allows ChangeAccount;
    /// A key that may manage keys, or a super admin.
    KeyKeepers: ApiKeyManagement allows CreateKey, ChangeKey, RotateKey, RevokeKey;
    /// A key that may read the audit trail, or a super admin.
    Audit: AuditRead allows ;
}

/// Checks that a path or body names the caller's own account.
///
/// # Errors
/// [`Denial::Absent`] for any other.
pub fn own_account<R: Requirement>(who: &Proof<'_, R>, account: AccountId) -> Result<(), Denial> {
    let named = Tenant { account, domain: None };
    if who.scope().covers(Some(named)) { Ok(()) } else { Err(Denial::Absent) }
}
