//! Passkeys (Web Authentication, Level 3): what an authenticator answers, judged without I/O. A challenge is drawn in
//! [`Challenge`]; a [`Site`] judges what comes back, in the order of the standard (§7.1, §7.2), and says what was wrong with
//! it, for whoever tests that. Callers are never told.

mod client;
mod data;
mod key;
mod passkey;
mod site;

pub use client::{CHALLENGE_LEN, CHALLENGE_LIFE, Challenge, challenge_of};
pub use key::{Algorithm, PublicKey};
pub use passkey::{MOST_ID, MOST_PASSKEYS, Passkey};
pub use site::{Asserted, Assertion, Attestation, Registered, Site};

/// What is wrong with an answer of an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// What the browser says of the ceremony is not JSON of its form.
    ClientData,
    /// It is another ceremony's (`type`).
    Ceremony,
    /// The page is of another origin.
    Origin,
    /// The page was in a frame of another origin.
    Framed,
    /// What the authenticator says is not of its form, or has something behind it.
    Data,
    /// It is for another relying party.
    Site,
    /// Nobody touched the authenticator.
    Absent,
    /// The authenticator did not verify who did.
    Unverified,
    /// It is backed up where it cannot be, or can be where it could not.
    Backup,
    /// There is no new credential in it, or there is one where none was asked for.
    Credential,
    /// The attestation is not of the one form that is asked for: `none`.
    Attestation,
    /// The public key is none, too weak, or of an algorithm that was not offered.
    Key,
    /// It is another credential's, or another person's.
    Another,
    /// The signature is not the credential's.
    Signature,
}
