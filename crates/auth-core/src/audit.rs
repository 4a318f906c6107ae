//! The audit trail: a closed set of events, each chained to the one before it by a keyed hash.
//!
//! The chain's key lies outside the database, and every head is written to an anchor outside it: who can
//! write the tables can neither rewrite the past (no key) nor cut its end unseen (the anchor remembers).

use crate::{
    id::{AccountId, CallId, ConnectionId, DomainId, KeyId, PasskeyId, PersonId, SessionId, TokenId, UserId},
    policy::{Action, Granted, Rights},
    principal::{Origin, Tenant, TokenKind},
    service::Service,
    time::Timestamp,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fmt, num::NonZeroU32};
use zeroize::Zeroizing;

/// What happened. Closed: an operation without its event does not compile, since its store command asks for
/// nothing else.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "action")]
#[expect(missing_docs, reason = "the names of the fields say what they are")]
pub enum Event {
    /// An account was made.
    #[serde(rename = "account.created")]
    AccountCreated { account: AccountId },
    /// Name or contact of an account changed.
    #[serde(rename = "account.changed")]
    AccountChanged { account: AccountId },
    /// None of the account's credentials is accepted any more.
    #[serde(rename = "account.suspended")]
    AccountSuspended { account: AccountId },
    /// They are accepted again.
    #[serde(rename = "account.revived")]
    AccountRevived { account: AccountId },
    /// A domain was made.
    #[serde(rename = "domain.created")]
    DomainCreated { domain: DomainId, name: String },
    /// Settings of a domain changed.
    #[serde(rename = "domain.changed")]
    DomainChanged { domain: DomainId },
    /// None of the domain's credentials is accepted any more.
    #[serde(rename = "domain.suspended")]
    DomainSuspended { domain: DomainId },
    /// They are accepted again.
    #[serde(rename = "domain.revived")]
    DomainRevived { domain: DomainId },
    /// A key was made.
    #[serde(rename = "key.created")]
    KeyCreated {
        key: KeyId,
        service: &'static str,
        #[serde(flatten)]
        rights: KeyRights,
    },
    /// A key of the earlier system was taken over.
    #[serde(rename = "key.imported")]
    KeyImported {
        key: KeyId,
        service: &'static str,
        #[serde(flatten)]
        rights: KeyRights,
    },
    /// A key's name or rights changed.
    #[serde(rename = "key.changed")]
    KeyChanged {
        key: KeyId,
        #[serde(flatten)]
        rights: KeyRights,
    },
    /// A key got a new secret; the old one works until then.
    #[serde(rename = "key.rotated")]
    KeyRotated { key: KeyId, old_until: Timestamp },
    /// A key was ended, and all that it minted.
    #[serde(rename = "key.revoked")]
    KeyRevoked { key: KeyId },
    /// A user record was made.
    #[serde(rename = "user.created")]
    UserCreated { user: UserId },
    /// A user record changed.
    #[serde(rename = "user.changed")]
    UserChanged { user: UserId },
    /// A user record was removed.
    #[serde(rename = "user.removed")]
    UserRemoved { user: UserId },
    /// A key began to link a calendar of a user.
    #[serde(rename = "calendar.authorization_begun")]
    AuthorizationBegun { user: UserId, provider: String },
    /// A calendar of a user was linked, or its user consented again.
    #[serde(rename = "calendar.connected")]
    CalendarConnected { connection: ConnectionId, user: UserId, provider: String, begun_by: KeyId },
    /// A calendar was not linked, although its user came back from the provider.
    #[serde(rename = "calendar.not_connected")]
    CalendarNotConnected { user: UserId, provider: String, begun_by: KeyId, why: &'static str },
    /// An access token of a provider was given to a caller.
    #[serde(rename = "calendar.token_given")]
    CalendarTokenGiven { connection: ConnectionId },
    /// The provider gave other tokens.
    #[serde(rename = "calendar.renewed")]
    CalendarRenewed { connection: ConnectionId },
    /// The provider takes the tokens of a connection no more.
    #[serde(rename = "calendar.needs_consent")]
    CalendarNeedsConsent { connection: ConnectionId },
    /// A connection was ended: its tokens are given to nobody any more.
    #[serde(rename = "calendar.disconnected")]
    CalendarDisconnected { connection: ConnectionId },
    /// The provider of an ended connection was told in vain: it will be told again.
    #[serde(rename = "calendar.not_revoked")]
    CalendarNotRevoked { connection: ConnectionId },
    /// An ended connection was forgotten, with its tokens.
    #[serde(rename = "calendar.forgotten")]
    CalendarForgotten { connection: ConnectionId, how: &'static str },
    /// The tokens of a connection do not open: altered, moved, or sealed with a key that is not there.
    #[serde(rename = "vault.unopened")]
    VaultUnopened { connection: ConnectionId, why: &'static str },
    /// The newest key of the vault has taken the place of older ones, of which so many are needed no more.
    #[serde(rename = "vault.rekeyed")]
    VaultRekeyed { key: String, retired: usize },
    /// A call was ordered.
    #[serde(rename = "call.started")]
    CallStarted { call: CallId },
    /// A call was cancelled.
    #[serde(rename = "call.cancelled")]
    CallCancelled { call: CallId },
    /// A temporary token was minted.
    #[serde(rename = "token.minted")]
    TokenMinted { token: TokenId },
    /// A widget or chat session was opened.
    #[serde(rename = "session.opened")]
    SessionOpened { token: TokenId, kind: &'static str },
    /// A temporary token was ended, and the sessions that it opened; or a session was.
    #[serde(rename = "token.revoked")]
    TokenRevoked { token: TokenId },
    /// Somebody registered.
    #[serde(rename = "person.registered")]
    PersonRegistered { person: PersonId },
    /// A person was changed by somebody else, or their own role was.
    #[serde(rename = "person.changed")]
    PersonChanged { person: PersonId, status: &'static str, super_admin: bool },
    /// A person was removed, with all that was theirs.
    #[serde(rename = "person.removed")]
    PersonRemoved { person: PersonId },
    /// A person who registered asks to be a member of a domain.
    #[serde(rename = "member.asked")]
    MemberAsked { domain: DomainId, person: PersonId },
    /// A person was made a member of a domain, or registered for one that is open.
    #[serde(rename = "member.admitted")]
    MemberAdmitted { domain: DomainId, person: PersonId, role: &'static str },
    /// A person who asked to be a member of a domain was declined.
    #[serde(rename = "member.declined")]
    MemberDeclined { domain: DomainId, person: PersonId },
    /// A member of a domain got another role: their sessions of it were ended.
    #[serde(rename = "member.role_changed")]
    MemberRoleChanged { domain: DomainId, person: PersonId, role: &'static str },
    /// A member was removed from a domain: their sessions of it were ended.
    #[serde(rename = "member.removed")]
    MemberRemoved { domain: DomainId, person: PersonId },
    /// The first super admin was made.
    #[serde(rename = "person.super_admin_created")]
    SuperAdminCreated { person: PersonId },
    /// A person of the earlier system was taken over.
    #[serde(rename = "person.imported")]
    PersonImported { person: PersonId },
    /// An address was shown to be its person's, by a token that was mailed there.
    #[serde(rename = "person.address_verified")]
    AddressVerified { person: PersonId },
    /// Whoever has a token that was mailed to a person set another password of theirs: their sessions were ended.
    #[serde(rename = "person.password_reset")]
    PasswordReset { person: PersonId },
    /// A person set another password: their other sessions were ended.
    #[serde(rename = "person.password_changed")]
    PasswordChanged { person: PersonId },
    /// A person logged in: a session began.
    #[serde(rename = "person.logged_in")]
    LoggedIn {
        person: PersonId,
        session: SessionId,
        audience: &'static str,
        acr: &'static str,
        /// The second factor that was shown.
        #[serde(skip_serializing_if = "Option::is_none")]
        factor: Option<&'static str>,
        /// The session that it came in place of.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaced: Option<SessionId>,
    },
    /// A person began to enrol a second factor.
    #[serde(rename = "person.factor_enrolling")]
    FactorEnrolling { person: PersonId, factor: &'static str },
    /// A person enrolled a second factor: their sessions were ended, and this one began.
    #[serde(rename = "person.factor_enrolled")]
    FactorEnrolled {
        person: PersonId,
        factor: &'static str,
        session: SessionId,
        #[serde(skip_serializing_if = "Option::is_none")]
        passkey: Option<PasskeyId>,
    },
    /// A person removed a second factor: their sessions were ended.
    #[serde(rename = "person.factor_removed")]
    FactorRemoved {
        person: PersonId,
        factor: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        passkey: Option<PasskeyId>,
    },
    /// A passkey was shown whose counter has not risen: somebody may have a copy of it. Nothing began by it.
    #[serde(rename = "person.passkey_suspected")]
    PasskeySuspected { person: PersonId, passkey: PasskeyId },
    /// A person drew recovery codes: those before them are none any more.
    #[serde(rename = "person.recovery_codes_drawn")]
    RecoveryCodesDrawn { person: PersonId },
    /// A session of a person was ended before its time, and its access tokens.
    #[serde(rename = "person.session_ended")]
    PersonSessionEnded { person: PersonId, session: SessionId, why: &'static str },
    /// All sessions of a person were ended.
    #[serde(rename = "person.sessions_ended")]
    PersonSessionsEnded { person: PersonId, why: &'static str },
    /// A key was made that signs access tokens from then on; those of older ones are refused from then on.
    #[serde(rename = "signing_key.rotated")]
    SigningKeyRotated { kid: String, algorithm: &'static str, signs_from: Timestamp, old_until: Timestamp },
    /// Requests were refused: counted over a while, one event per route, cause and source.
    #[serde(rename = "request.refused")]
    RequestRefused { service: &'static str, route: String, cause: String, count: u64 },
}

/// What a key may do from then on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyRights {
    permissions: Vec<&'static str>,
    expires_at: Option<Timestamp>,
    /// From where; empty is from anywhere.
    networks: Vec<String>,
    /// Requests a minute.
    rate_limit: Option<NonZeroU32>,
}

impl KeyRights {
    fn of(rights: &Rights) -> Self {
        Self {
            permissions: rights.permissions.names(),
            expires_at: rights.expires_at,
            networks: rights.networks.texts(),
            rate_limit: rights.rate_limit,
        }
    }
}

impl Event {
    /// A key was made, or taken over from the earlier system.
    pub fn key_made(key: KeyId, service: Service, rights: &Rights, imported: bool) -> Self {
        let (service, rights) = (service.name(), KeyRights::of(rights));
        if imported {
            Self::KeyImported { key, service, rights }
        } else {
            Self::KeyCreated { key, service, rights }
        }
    }
    /// A key's name or rights changed, to these rights.
    pub fn key_changed(key: KeyId, rights: &Rights) -> Self {
        Self::KeyChanged { key, rights: KeyRights::of(rights) }
    }
    /// A token or session of this kind was made.
    pub const fn token_made(token: TokenId, kind: TokenKind) -> Self {
        match kind {
            TokenKind::Temp => Self::TokenMinted { token },
            TokenKind::Widget | TokenKind::Chat => Self::SessionOpened { token, kind: kind.name() },
        }
    }
    /// The text that the trail keeps: JSON with the members in the order of the type.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The actor of what no principal did.
pub const ANONYMOUS: &str = "anonymous";
/// The actor of what a service did by itself, on a schedule.
pub const SCHEDULE: &str = "schedule";

/// One line of the trail before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: a principal's text form, or [`ANONYMOUS`].
    pub actor: String,
    /// In whose affairs; `None` where nobody's in particular.
    pub tenant: Option<Tenant>,
    /// The caller's address, or empty.
    pub source: String,
    /// The request's id.
    pub request_id: String,
    /// What happened: an [`Event`] as JSON.
    pub event: String,
}

impl Entry {
    /// The entry of a granted action: actor, tenant and origin come from the grant.
    pub fn granted<A: Action>(at: Timestamp, grant: &Granted<A>, event: &Event) -> Self {
        let nobody = if grant.is_by_schedule() { SCHEDULE } else { ANONYMOUS };
        let actor = grant.who().map_or_else(|| nobody.to_owned(), ToString::to_string);
        Self::new(at, actor, grant.tenant(), grant.origin(), event)
    }
    /// An entry of any actor.
    pub fn new(at: Timestamp, actor: String, tenant: Option<Tenant>, origin: &Origin, event: &Event) -> Self {
        Self {
            at,
            actor,
            tenant,
            source: origin.source.map(|address| address.to_string()).unwrap_or_default(),
            request_id: origin.request_id.clone(),
            event: event.to_json(),
        }
    }
}

/// An entry at its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chained {
    /// Its number: the first is 1, without gaps.
    pub seq: i64,
    /// What it says.
    pub entry: Entry,
    /// The hash of the one before it; zeros for the first.
    pub previous: Link,
    /// Its own hash, over `previous`, `seq` and what it says.
    pub link: Link,
}

/// A hash of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; 32]);

impl Link {
    /// What stands before the first entry.
    pub const START: Self = Self([0; 32]);

    /// The hash that a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry; 0 where there is none.
    pub seq: i64,
    /// Its hash.
    pub link: Link,
}

impl Head {
    /// The head of an empty chain.
    pub const START: Self = Self { seq: 0, link: Link::START };

    /// The line that anchors it: number and hash.
    pub fn to_anchor(&self) -> String {
        format!("{} {}", self.seq, self.link)
    }
    /// Reads an anchor's line; the head of an empty chain is one, too.
    pub fn from_anchor(line: &str) -> Option<Self> {
        let (seq, link) = line.split_once(' ')?;
        let link = data_encoding::HEXLOWER.decode(link.as_bytes()).ok()?.try_into().ok()?;
        let head = Self { seq: seq.parse().ok().filter(|seq| *seq >= 0)?, link: Link(link) };
        (head.seq > 0 || head == Self::START).then_some(head)
    }
}

/// The key of the chain: 32 random bytes, kept outside the database.
#[derive(Clone)]
pub struct ChainKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(…)")
    }
}

impl ChainKey {
    /// Takes the key over.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Chains an entry behind a head. HMAC-SHA-256 (RFC 2104) over the canonical form: the hash before it,
    /// then each field, texts with their length in front, so that no two entries have the same form.
    pub fn chain(&self, head: Head, entry: Entry) -> Chained {
        let seq = head.seq + 1;
        let link = self.link(head.link, seq, &entry);
        Chained { seq, entry, previous: head.link, link }
    }

    /// Whether this key made an entry, behind the hash that the entry names.
    pub fn made(&self, found: &Chained) -> bool {
        let link = self.link(found.previous, found.seq, &found.entry);
        constant_time_eq::constant_time_eq_32(&found.link.0, &link.0)
    }

    /// What a store keeps to know its key again before its trail has an entry: a MAC of a fixed text, which is shorter
    /// than what any entry is chained behind.
    pub fn proof(&self) -> Link {
        let Some(mut mac) = self.mac() else { return Link::START };
        mac.update(b"the key of this audit trail");
        Link(mac.finalize().into_bytes().into())
    }

    /// HMAC takes a key of any length: there always is one.
    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(self.0.as_slice()).ok()
    }

    fn link(&self, previous: Link, seq: i64, entry: &Entry) -> Link {
        let Some(mut mac) = self.mac() else { return Link::START };
        mac.update(&previous.0);
        mac.update(&seq.to_be_bytes());
        mac.update(&entry.at.millis().to_be_bytes());
        let account = entry.tenant.map(|tenant| *tenant.account.as_bytes());
        let domain = entry.tenant.and_then(|tenant| tenant.domain).map(|domain| *domain.as_bytes());
        for id in [account, domain] {
            mac.update(&[u8::from(id.is_some())]);
            mac.update(&id.unwrap_or_default());
        }
        for text in [&entry.actor, &entry.source, &entry.request_id, &entry.event] {
            mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(text.as_bytes());
        }
        Link(mac.finalize().into_bytes().into())
    }
}

/// How a chain is broken: the first fault found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing, or one was put between.
    #[error("entry {expected} is missing: entry {found} stands in its place")]
    Order {
        /// The number that was due.
        expected: i64,
        /// The number that was found.
        found: i64,
    },
    /// An entry was changed, or made without the key.
    #[error("entry {seq} was altered")]
    Altered {
        /// Its number.
        seq: i64,
    },
    /// The trail ends before or behind its own head.
    #[error("the trail ends at entry {end}, but its head says {head}")]
    Head {
        /// The last entry.
        end: i64,
        /// What the head says.
        head: i64,
    },
    /// The trail does not reach, or contradicts, what was anchored outside the database.
    #[error("the anchor remembers entry {seq}, which the trail does not hold as it was")]
    Anchor {
        /// The number that the anchor holds.
        seq: i64,
    },
}

/// Checks a chain, entry by entry from the first.
#[derive(Debug)]
pub struct Verifier<'a> {
    key: &'a ChainKey,
    head: Head,
    anchors: std::collections::HashMap<i64, Link>,
}

impl<'a> Verifier<'a> {
    /// A check against these anchors.
    ///
    /// # Errors
    /// [`Broken::Anchor`] where two anchors contradict each other.
    pub fn new(key: &'a ChainKey, anchors: impl IntoIterator<Item = Head>) -> Result<Self, Broken> {
        let mut known = std::collections::HashMap::new();
        for Head { seq, link } in anchors.into_iter().filter(|head| *head != Head::START) {
            if *known.entry(seq).or_insert(link) != link {
                return Err(Broken::Anchor { seq });
            }
        }
        Ok(Self { key, head: Head::START, anchors: known })
    }

    /// The last entry that stands.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`Broken`] where it does not follow.
    pub fn next(&mut self, found: &Chained) -> Result<(), Broken> {
        let expected = self.head.seq + 1;
        if found.seq != expected {
            return Err(Broken::Order { expected, found: found.seq });
        }
        let link = self.key.link(self.head.link, found.seq, &found.entry);
        if found.previous != self.head.link || !constant_time_eq::constant_time_eq_32(&found.link.0, &link.0)
        {
            return Err(Broken::Altered { seq: found.seq });
        }
        if self.anchors.remove(&found.seq).is_some_and(|anchored| anchored != link) {
            return Err(Broken::Anchor { seq: found.seq });
        }
        self.head = Head { seq: found.seq, link };
        Ok(())
    }

    /// Ends the check, with the head that the store keeps.
    ///
    /// # Errors
    /// [`Broken`] where the end is not the head, or an anchor lies behind it.
    pub fn finish(self, head: Head) -> Result<Head, Broken> {
        if head != self.head {
            return Err(Broken::Head { end: self.head.seq, head: head.seq });
        }
        match self.anchors.keys().max() {
            Some(seq) => Err(Broken::Anchor { seq: *seq }),
            None => Ok(head),
        }
    }
}
