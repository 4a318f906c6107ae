//! Reading the audit trail: what both services answer.

use crate::{
    input::{from_cursor, limit},
    problem::Problem,
    reply::Listed,
};
use auth_core::{
    audit::{Chained, Event},
    flow::Platform,
    policy::Scope,
    port::AuditFilter,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which events to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Not before (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// Before (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
    /// Exactly this actor, such as `key:<id>`.
    #[schemars(with = "Option<String>")]
    pub actor: Option<Word>,
    /// Exactly this action.
    pub action: Option<Action>,
    /// Events that name this identifier.
    #[schemars(with = "Option<String>")]
    pub target: Option<Word>,
    /// At most this many: 1 to 200, by default 50.
    pub limit: Option<u16>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// What an event may name: 1 to 253 visible characters of ASCII, as many as a domain's name may have.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Word(String);

impl TryFrom<String> for Word {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=253).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err("expected 1 to 253 visible characters of ASCII")
        }
    }
}

macro_rules! actions {
    ($($action:ident = $name:literal,)*) => {
        /// The actions of the trail: one for each of its events.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[expect(missing_docs, reason = "`auth_core::audit::Event` says what they are")]
        pub enum Action { $(#[serde(rename = $name)] $action,)* }

        impl Action {
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }
            /// The action of an event.
            pub const fn of(event: &Event) -> Self {
                match event { $(Event::$action { .. } => Self::$action,)* }
            }
        }
    };
}

actions! {
    AccountCreated = "account.created",
    AccountChanged = "account.changed",
    AccountSuspended = "account.suspended",
    AccountRevived = "account.revived",
    DomainCreated = "domain.created",
    DomainChanged = "domain.changed",
    DomainSuspended = "domain.suspended",
    DomainRevived = "domain.revived",
    KeyCreated = "key.created",
    KeyImported = "key.imported",
    KeyChanged = "key.changed",
    KeyRotated = "key.rotated",
    KeyRevoked = "key.revoked",
    UserCreated = "user.created",
    UserChanged = "user.changed",
    UserRemoved = "user.removed",
    AuthorizationBegun = "calendar.authorization_begun",
    CalendarConnected = "calendar.connected",
    CalendarNotConnected = "calendar.not_connected",
    CalendarTokenGiven = "calendar.token_given",
    CalendarRenewed = "calendar.renewed",
    CalendarNeedsConsent = "calendar.needs_consent",
    CalendarDisconnected = "calendar.disconnected",
    CalendarNotRevoked = "calendar.not_revoked",
    CalendarForgotten = "calendar.forgotten",
    VaultUnopened = "vault.unopened",
    VaultRekeyed = "vault.rekeyed",
    CallStarted = "call.started",
    CallCancelled = "call.cancelled",
    TokenMinted = "token.minted",
    SessionOpened = "session.opened",
    TokenRevoked = "token.revoked",
    PersonRegistered = "person.registered",
    PersonChanged = "person.changed",
    PersonRemoved = "person.removed",
    MemberAsked = "member.asked",
    MemberAdmitted = "member.admitted",
    MemberDeclined = "member.declined",
    MemberRoleChanged = "member.role_changed",
    MemberRemoved = "member.removed",
    PersonImported = "person.imported",
    AddressVerified = "person.address_verified",
    PasswordReset = "person.password_reset",
    PasswordChanged = "person.password_changed",
    LoggedIn = "person.logged_in",
    SuperAdminCreated = "person.super_admin_created",
    FactorEnrolling = "person.factor_enrolling",
    FactorEnrolled = "person.factor_enrolled",
    FactorRemoved = "person.factor_removed",
    PasskeySuspected = "person.passkey_suspected",
    RecoveryCodesDrawn = "person.recovery_codes_drawn",
    PersonSessionEnded = "person.session_ended",
    PersonSessionsEnded = "person.sessions_ended",
    SigningKeyRotated = "signing_key.rotated",
    RequestRefused = "request.refused",
}

/// One event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventView {
    /// Its number in the trail.
    pub seq: i64,
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The caller's address.
    pub source: String,
    /// The request.
    pub request_id: String,
    /// What happened: `action`, and what that action names.
    pub event: serde_json::Value,
    /// Its hash in the chain.
    pub link: String,
}

impl EventView {
    fn of(found: Chained) -> Self {
        Self {
            seq: found.seq,
            at: found.entry.at,
            actor: found.entry.actor,
            source: found.entry.source,
            request_id: found.entry.request_id,
            event: serde_json::from_str(&found.entry.event).unwrap_or_default(),
            link: found.link.to_string(),
        }
    }
}

/// The events within a scope, newest first.
///
/// # Errors
/// A limit or cursor that is none; the store's.
pub async fn list(
    platform: &Platform,
    scope: Scope,
    query: AuditQuery,
) -> Result<Listed<EventView>, Problem> {
    let limit = limit(query.limit)?;
    let before = query.cursor.map(|cursor| from_cursor(&cursor)).transpose()?.map(i64::from_be_bytes);
    let AuditQuery { from, to, actor, action, target, .. } = query;
    let text = |word: Word| word.0;
    let action = action.map(|action| action.name().to_owned());
    let filter = AuditFilter { from, to, actor: actor.map(text), action, target: target.map(text) };
    let found = platform.stores.audit.list(scope, &filter, before, limit + 1).await?;
    Ok(Listed::new(found, limit, |last| last.seq.to_be_bytes().to_vec(), EventView::of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_the_names_of_their_events() {
        let id = "0190c0de-0000-7000-8000-000000000001";
        let event = Event::KeyRevoked { key: id.parse().unwrap() };
        assert!(event.to_json().contains(&format!("\"action\":\"{}\"", Action::of(&event).name())));
        let (route, cause) = (String::new(), String::new());
        let event = Event::RequestRefused { service: "hub", route, cause, count: 1 };
        assert!(event.to_json().contains(&format!("\"action\":\"{}\"", Action::of(&event).name())));
        assert_eq!(serde_json::from_str::<Action>("\"key.created\"").unwrap(), Action::KeyCreated);
        assert!(serde_json::from_str::<Action>("\"key.%\"").is_err());
    }

    #[test]
    fn a_filter_is_visible_ascii() {
        for good in ["key:0190", "anonymous", "example.com", "%"] {
            assert!(Word::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\0", "\n", "\u{7f}", "\u{e9}", &"a".repeat(254)] {
            assert!(Word::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
