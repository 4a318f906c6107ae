//! What a provider was asked.

/// One thing that a provider was asked, or what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A discovery document.
    Discovery,
    /// The public keys.
    Keys,
    /// An authorization request in which nothing was wrong.
    Authorization {
        /// Of which client.
        client: String,
    },
    /// A code for tokens.
    Exchange {
        /// Whether tokens were issued, whatever became of the answer.
        granted: bool,
    },
    /// A refresh token for an access token.
    Refresh {
        /// Whether one was issued, whatever became of the answer.
        granted: bool,
    },
    /// A revocation.
    Revocation {
        /// Whether it ended a grant.
        known: bool,
    },
    /// Events of a calendar.
    Events {
        /// Whether an access token let it in.
        granted: bool,
    },
    /// A path that there is not: method and path.
    Elsewhere(String),
    /// What a client did that no client should: beside the entry for the request, where that has one.
    Violation(String),
}
