//! Calls: the Hub's protected records, from which usage and invoices are counted.

use super::{Email, Language, Name, PhoneNumber, Prose};
use crate::{
    id::{AccountId, CallId},
    policy::Owned,
    principal::Tenant,
    time::Timestamp,
};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// Its name, as stored and as sent.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The variant of this name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == name)
            }
        }
    };
}

named! {
    /// How the client is reached.
    Channel {
        /// A text message.
        Sms = "sms",
        /// A telephone call.
        Phone = "phone",
    }
}
named! {
    /// Where a call stands.
    CallStatus {
        /// To be made now.
        Initiated = "initiated",
        /// To be made at its time.
        Scheduled = "scheduled",
        /// Will not be made.
        Cancelled = "cancelled",
    }
}

/// What kind of call the caller says it is: a free word of the Hub's clients.
pub type CallType = Name;

/// A stored call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its identifier, sent as `call_sid`.
    pub id: CallId,
    /// The account.
    pub account: AccountId,
    /// Where it stands.
    pub status: CallStatus,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// What was asked for.
    pub order: NewCall,
}

/// A call to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Its identifier.
    pub id: CallId,
    /// What kind of call.
    pub call_type: CallType,
    /// How the client is reached.
    pub channel: Channel,
    /// Whom to call.
    pub phone_number: PhoneNumber,
    /// The client's name.
    pub client_name: Name,
    /// The client's address.
    pub client_email: Email,
    /// What to say.
    pub instruction: Prose,
    /// On behalf of which domain or business: a label of the caller's, from which no right follows.
    pub domain_name: Name,
    /// In which language.
    pub language: Language,
    /// When; `None` is now.
    pub scheduled_time: Option<Timestamp>,
    /// When it was ordered.
    pub at: Timestamp,
}

impl NewCall {
    /// The status that it starts with.
    pub const fn status(&self) -> CallStatus {
        if self.scheduled_time.is_some() { CallStatus::Scheduled } else { CallStatus::Initiated }
    }
}

impl Owned for Call {
    type Id = CallId;
    fn id(&self) -> CallId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.account, domain: None })
    }
}

/// Calls of one month and channel that are billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The month, as `2026-11` (UTC).
    pub month: String,
    /// How clients were reached.
    pub channel: Channel,
    /// How many calls.
    pub calls: u64,
}
