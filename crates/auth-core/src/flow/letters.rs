//! Letters to people, and what the tokens in them do.

use super::{Logins, Platform};
use crate::{
    attempts::Trial,
    credential::{MailedFor, MailedToken, Password},
    error::{Denial, FlowError, Refusal},
    model::{Address, Person, Status},
    policy::{Granted, OwnPerson},
    port::{Change, Content, Letter, Occasion, ResetPassword, VerifyAddress},
    principal::Origin,
};
use std::net::IpAddr;

/// A letter that somebody asked for; whether anybody is to get it is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whose.
    pub address: Address,
    /// Why.
    pub occasion: Occasion,
    /// From where it was asked for.
    pub source: Option<IpAddr>,
}

impl Logins {
    /// Writes a letter that was asked for, once it was counted; `None` where nobody is to get one: nobody has the address,
    /// they are suspended, or it is theirs already; or enough were asked for.
    ///
    /// It takes longer where somebody gets one: whoever asks does not wait for it.
    ///
    /// # Errors
    /// The store's; then it was not counted.
    pub async fn letter(&self, platform: &Platform, asked: &Asked) -> Result<Option<Letter>, FlowError> {
        let trial = Trial::letter(asked.source, &asked.address, asked.occasion);
        if platform.stores.attempts.take(&trial, platform.now()).await?.is_err() {
            return Ok(None);
        }
        match platform.stores.people.by_address(&asked.address).await {
            Ok(login) => Ok(login.and_then(|login| self.write(platform, login.person, asked.occasion))),
            Err(error) => {
                let _ = platform.stores.attempts.unjudged(&trial).await;
                Err(error.into())
            }
        }
    }

    fn write(&self, platform: &Platform, person: Person, occasion: Occasion) -> Option<Letter> {
        let token = |purpose: MailedFor| {
            let expires_at = platform.now() + purpose.life();
            let token = MailedToken { purpose, person: person.id, version: person.version, expires_at };
            (token.seal(self.keys.keyring(), platform.entropy.as_ref()).reveal(), expires_at)
        };
        let content = match occasion {
            _ if person.status != Status::Active => return None,
            Occasion::Registered if person.verified_at.is_some() => return None,
            Occasion::Registered => {
                let (token, expires_at) = token(MailedFor::Verification);
                Content::Verify { token, expires_at }
            }
            Occasion::Forgot => {
                let (token, expires_at) = token(MailedFor::Reset);
                Content::Reset { token, expires_at }
            }
            // A token here would be for whichever password is there: perhaps not that of whoever reads the letter.
            Occasion::Taken => Content::Taken,
        };
        Some(Letter { to: person.address, person: person.id, content })
    }

    /// Notes that an address is its person's, by the token that was mailed there.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], whatever was wrong.
    pub async fn verify_address(
        &self,
        platform: &Platform,
        origin: &Origin,
        text: &str,
    ) -> Result<(), FlowError> {
        let (at, keyring) = (platform.now(), self.keys.keyring());
        let token = MailedToken::open(text, MailedFor::Verification, keyring, at).ok_or_else(refused)?;
        let granted = Granted::<VerifyAddress>::to_addressee(token.person, origin);
        match platform.stores.mailed.verify(&granted, token.version, at).await? {
            Change::Done(()) => Ok(()),
            Change::Stale | Change::Taken => Err(refused()),
        }
    }

    /// Sets another password of whoever the token was mailed to, and ends all their sessions: once this has answered, nobody
    /// accepts those. It begins none: they log in, with their second factor where they have one.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], whatever was wrong with the token; [`FlowError::Invalid`] for what cannot be a password: then
    /// the token is as good as before; [`FlowError::Busy`].
    pub async fn reset_password(
        &self,
        platform: &Platform,
        origin: &Origin,
        text: &str,
        password: &str,
    ) -> Result<(), FlowError> {
        let keyring = self.keys.keyring();
        let token = MailedToken::open(text, MailedFor::Reset, keyring, platform.now()).ok_or_else(refused)?;
        let person = platform.stores.people.read(OwnPerson::proven(token.person)).await?;
        let is_as_then = |person: &Person| person.version == token.version && person.status == Status::Active;
        let person = person.filter(is_as_then).ok_or_else(refused)?;
        let known = [person.address.as_str(), person.name.as_str(), self.keys.issuer().as_str()];
        let password = Password::new(password, &known)
            .map_err(|wrong| FlowError::Invalid { field: "password", reason: wrong.to_string() })?;
        let hash = self.passwords.hash(&password).await?;
        let granted = Granted::<ResetPassword>::to_addressee(person.id, origin);
        let at = platform.now();
        match platform.stores.mailed.reset_password(&granted, token.version, hash, at).await? {
            Change::Done(seq) => platform.validator.settle(seq).await?,
            Change::Stale | Change::Taken => return Err(refused()),
        }
        // Whoever forgot a password has guessed at it: the new one does not wait for that.
        let guessed = Trial::password(origin.source, Some(&person.address));
        let _ = platform.stores.attempts.succeeded(&guessed).await;
        Ok(())
    }
}

/// What a token was wrong in, nobody is told.
fn refused() -> FlowError {
    Denial::Unauthenticated(Refusal::Unknown).into()
}
