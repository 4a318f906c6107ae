//! Linking a calendar (RFC 9700 §2.1, §4.2, §4.7): the transaction that begins it, and the callback that ends it.

use super::{Calendars, Provider, Target, append};
use crate::{
    audit::Event,
    credential::{AUTHORIZATION_LIFE, AuthorizationSecrets},
    error::{Denial, FlowError, NotConnected},
    flow::Platform,
    id::ConnectionId,
    model::{Authorization, NewAuthorization, NewConnection, ProviderName, Scopes, User},
    oidc::{Expected, Identity, verify},
    policy::{Allows, Granted, Proof, grant},
    port::{
        AuthorizationRequest, BeginAuthorization, Callback, Connect, Connecting, Creation, ProviderError,
        ProviderFacts, TokenAnswer,
    },
    principal::{Origin, Tenant},
    secret::{PlainToken, RevealOnce},
    vault::{Place, Tokens},
};

/// The longest code that is taken.
const LONGEST_CODE: usize = 4096;

/// What somebody wants to link.
#[derive(Debug, Clone)]
pub struct Order {
    /// The provider.
    pub provider: ProviderName,
    /// Where the browser is led afterwards: one of the addresses of the configuration.
    pub redirect_after: Option<String>,
}

/// A transaction that was begun.
pub struct Begun {
    /// Where the browser is led.
    pub url: String,
    /// What that browser has to hold.
    pub binding: RevealOnce,
}

/// What a browser brings back from a provider (RFC 6749 §4.1.2).
pub struct Arrival<'a> {
    /// The provider that the path names.
    pub provider: ProviderName,
    /// `state`.
    pub state: Option<&'a str>,
    /// `code`.
    pub code: Option<&'a str>,
    /// Whether there is an `error`: what it says is not looked at.
    pub has_error: bool,
    /// `iss` (RFC 9207).
    pub issuer: Option<&'a str>,
    /// What the browser holds.
    pub binding: Option<&'a PlainToken>,
}

/// A transaction that a callback has taken: nobody takes it again.
pub struct Taken {
    authorization: Authorization,
    secrets: AuthorizationSecrets,
}

impl Calendars {
    /// Begins to link a calendar of a user: where to lead their browser, and what it must hold when it comes back.
    ///
    /// # Errors
    /// [`Denial::Absent`] for a user who is not the caller's, or a provider that is none; [`FlowError::Invalid`] for an
    /// address that is not of the configuration; [`Denial::Throttled`] where too many of the user stand open.
    pub async fn begin<R: Allows<BeginAuthorization>>(
        &self,
        platform: &Platform,
        proof: &Proof<'_, R>,
        user: &User,
        order: Order,
    ) -> Result<Begun, FlowError> {
        let granted = grant::<BeginAuthorization, R>(proof, user)?;
        let provider = self.provider(&order.provider).ok_or(Denial::Absent)?;
        let target =
            self.targets.find(order.redirect_after.as_deref()).ok_or_else(|| FlowError::Invalid {
                field: "redirect_after",
                reason: "not an address that browsers may be led to (calendars.redirect_after)".to_owned(),
            })?;
        let secrets = AuthorizationSecrets::draw(platform.entropy.as_ref());
        let (nonce, verifier) = (secrets.nonce(), secrets.verifier());
        let request = AuthorizationRequest { state: secrets.state(), nonce: &nonce, verifier: &verifier };
        let url = provider.client.authorization_url(&request).await?;
        let at = platform.now();
        let new = NewAuthorization {
            state: secrets.state_digest(),
            binding: secrets.binding_digest(),
            provider: order.provider,
            redirect_after: target.as_str().to_owned(),
            at,
            expires_at: at + AUTHORIZATION_LIFE,
        };
        match platform.stores.authorizations.begin(&granted, new).await? {
            Creation::Done(()) => Ok(Begun { url, binding: RevealOnce::new(secrets.binding().clone()) }),
            Creation::Full(until) => Err(Denial::Throttled { retry_after: until.since(at) }.into()),
            Creation::Stale | Creation::Taken | Creation::Mismatched | Creation::Repeated(_) => {
                Err(Denial::Absent.into())
            }
        }
    }

    /// Takes the transaction that a callback fits, before anything else is done, whatever comes of it.
    ///
    /// # Errors
    /// [`FlowError::InvalidState`] where it fits none that stands open, whatever is wrong with it: then nobody is asked, and
    /// nothing stored.
    pub async fn take(&self, platform: &Platform, arrival: &Arrival<'_>) -> Result<Taken, FlowError> {
        let found = || {
            self.provider(&arrival.provider)?;
            AuthorizationSecrets::read(arrival.state?, arrival.binding?.expose())
        };
        let secrets = found().ok_or(FlowError::InvalidState)?;
        let callback = Callback {
            state: secrets.state_digest(),
            binding: secrets.binding_digest(),
            provider: arrival.provider.clone(),
        };
        let taken = platform.stores.authorizations.take(&callback, platform.now()).await?;
        let authorization = taken.ok_or(FlowError::InvalidState)?;
        Ok(Taken { authorization, secrets })
    }

    /// Ends a transaction with what a browser brought back: the calendar is linked, and the browser led on.
    ///
    /// To be run to its end, as [`access_token`](Self::access_token).
    ///
    /// # Errors
    /// [`FlowError::NotConnected`] where nothing was linked; [`FlowError::Provider`] where the provider did not do its part.
    pub async fn finish(
        &self,
        platform: &Platform,
        origin: &Origin,
        arrival: &Arrival<'_>,
        Taken { authorization: taken, secrets }: Taken,
    ) -> Result<Target, FlowError> {
        let provider = self.provider(&taken.provider).ok_or(FlowError::InvalidState)?;
        let tenant = Tenant { account: taken.account, domain: None };
        let granted = Granted::<Connect>::to_bearer(taken.user, tenant, origin);
        let linked = self.link(platform, (provider, &granted), &taken, (&secrets, arrival)).await;
        if let Err(error) = &linked {
            let why = match error {
                FlowError::NotConnected(why) => why.name(),
                FlowError::Provider(_) => NotConnected::Exchange.name(),
                _ => "store",
            };
            let event = Event::CalendarNotConnected {
                user: taken.user,
                provider: taken.provider.as_str().to_owned(),
                begun_by: taken.begun_by,
                why,
            };
            append(platform, &granted, &event).await?;
        }
        linked?;
        // It was one of them when it was begun.
        Ok(self.targets.find(Some(&taken.redirect_after)).unwrap_or(&self.targets.first).clone())
    }

    async fn link(
        &self,
        platform: &Platform,
        (provider, granted): (&Provider, &Granted<Connect>),
        taken: &Authorization,
        (secrets, arrival): (&AuthorizationSecrets, &Arrival<'_>),
    ) -> Result<(), FlowError> {
        let facts = provider.client.facts();
        let code = code_of(facts, arrival)?;
        let answer = match provider.client.exchange(&code, &secrets.verifier()).await {
            Ok(answer) => answer,
            Err(ProviderError::InvalidGrant) => {
                return Err(FlowError::NotConnected(NotConnected::Exchange));
            }
            Err(error) => return Err(error.into()),
        };
        let identity = identify(platform, provider, &answer, secrets).await?;
        let scopes = scopes_of(facts, answer.scopes).ok_or(FlowError::NotConnected(NotConnected::Scope))?;
        let refresh = answer.refresh.ok_or(FlowError::NotConnected(NotConnected::NoRefreshToken))?;
        let tokens = Tokens { access: answer.access, refresh };
        let at = platform.now();
        let known = platform.stores.connections.linked(granted, &taken.provider).await?;
        let id = known.unwrap_or_else(|| ConnectionId::draw(at, platform.entropy.as_ref()));
        let place = Place {
            connection: id,
            account: taken.account,
            user: taken.user,
            provider: taken.provider.clone(),
        };
        let new = NewConnection {
            id,
            provider: taken.provider.clone(),
            begun_by: taken.begun_by,
            subject: identity.subject,
            address: identity.address,
            scopes,
            tokens: self.vault.seal(&place, &tokens, platform.entropy.as_ref()),
            expires_at: at + answer.expires_in,
            at,
        };
        let connected = match platform.stores.connections.connect(granted, new.clone()).await? {
            Connecting::KeyRetired => {
                self.introduce_newest(platform).await;
                let tokens = self.vault.seal(&place, &tokens, platform.entropy.as_ref());
                platform.stores.connections.connect(granted, NewConnection { tokens, ..new }).await?
            }
            connected => connected,
        };
        if connected == Connecting::Occupied {
            // Nobody has that calendar, so nobody's grant ends with this one. Whether it ends, nothing depends on.
            let _ = provider.client.revoke(&tokens.refresh).await;
        }
        Err(FlowError::NotConnected(match connected {
            Connecting::Done => return Ok(()),
            Connecting::Linked => NotConnected::Linked,
            Connecting::Occupied => NotConnected::Occupied,
            Connecting::Busy | Connecting::KeyRetired => NotConnected::Busy,
            Connecting::Gone => NotConnected::Gone,
        }))
    }
}

/// The code that a callback brings, where it comes from the provider and nothing speaks against it.
fn code_of(facts: &ProviderFacts, arrival: &Arrival<'_>) -> Result<PlainToken, FlowError> {
    let comes_from_it = match arrival.issuer {
        Some(issuer) => facts.issuer.may_call_back(issuer),
        None => !facts.names_issuer,
    };
    if !comes_from_it {
        return Err(FlowError::NotConnected(NotConnected::Issuer));
    }
    if arrival.has_error {
        return Err(FlowError::NotConnected(NotConnected::Declined));
    }
    // RFC 6749 appendix A.11.
    let is_code = |code: &&str| {
        (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
    };
    let code = arrival.code.filter(is_code).ok_or(FlowError::NotConnected(NotConnected::Code))?;
    Ok(PlainToken::new(code.to_owned()))
}

/// Whose the tokens are.
async fn identify(
    platform: &Platform,
    provider: &Provider,
    answer: &TokenAnswer,
    secrets: &AuthorizationSecrets,
) -> Result<Identity, FlowError> {
    let not_good = || FlowError::NotConnected(NotConnected::IdToken);
    let token = answer.id_token.as_ref().ok_or_else(not_good)?;
    let published = provider.keys_for(token, platform.clock.as_ref()).await?;
    let facts = provider.client.facts();
    let expected = Expected {
        issuer: &facts.issuer,
        client_id: &facts.client_id,
        nonce: &secrets.nonce(),
        now: platform.now(),
    };
    verify(token.expose(), &published.keys, &expected).map_err(|_| not_good())
}

/// What was granted, where that is enough and no more than was asked for or always comes along.
pub(super) fn scopes_of(facts: &ProviderFacts, granted: Option<Scopes>) -> Option<Scopes> {
    let granted = granted.unwrap_or_else(|| facts.asked.clone());
    let is_enough = facts.needed.iter().all(|scope| granted.contains(scope));
    let is_too_much =
        granted.iter().any(|scope| !facts.asked.contains(scope) && !facts.tolerated.contains(scope));
    (is_enough && !is_too_much).then_some(granted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::IssuerRule;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }

    #[test]
    fn what_is_granted_is_kept_where_it_is_enough_and_no_more_than_was_asked_for() {
        let facts = ProviderFacts {
            name: ProviderName::parse("google").unwrap(),
            client_id: "client".to_owned(),
            issuer: IssuerRule::Exactly("https://accounts.example.com".to_owned()),
            names_issuer: false,
            asked: scopes("openid email calendar.read"),
            needed: scopes("calendar.read"),
            tolerated: scopes("openid profile"),
        };
        for (what, granted, kept) in [
            ("as asked", Some("openid email calendar.read"), Some("openid email calendar.read")),
            ("in another order", Some("calendar.read openid email"), Some("openid email calendar.read")),
            ("nothing said", None, Some("openid email calendar.read")),
            ("narrower", Some("openid calendar.read"), Some("openid calendar.read")),
            ("what is needed alone", Some("calendar.read"), Some("calendar.read")),
            ("one beside", Some("calendar.read profile"), Some("calendar.read profile")),
            ("too much", Some("openid email calendar.read drive"), None),
            ("more of the calendar", Some("openid email calendar.read calendar"), None),
            ("another in its place", Some("openid email calendar"), None),
            ("without the calendar", Some("openid email"), None),
            ("what is tolerated alone", Some("openid profile"), None),
            ("in capitals", Some("openid email CALENDAR.READ"), None),
            ("nothing", Some(""), None),
        ] {
            assert_eq!(scopes_of(&facts, granted.map(scopes)), kept.map(scopes), "{what}");
        }
    }
}
