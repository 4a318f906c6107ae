//! What a tenant of a test owns, and the people in it.

use crate::{authenticator::Passkey, client::Request};
use auth_core::service::Service;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a tenant owns.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// The account.
    pub account_id: String,
    /// The domain's name.
    pub domain: String,
    /// The page that its widget is on.
    pub origin: String,
    /// A Hub key with every permission.
    pub hub_key: String,
    /// A domain key with every permission.
    pub domain_key: String,
    /// A Hub key that may nothing: its secret and its id.
    pub idle_key: (String, String),
    /// A call.
    pub call_sid: String,
    /// A user.
    pub user_id: String,
    /// A browser of that user that comes back from a provider, to link a second calendar. The first one is linked.
    pub arrival: Arrival,
    /// A temporary token: its secret and its id.
    pub temp: (String, String),
    /// A widget session: its secret and its id.
    pub widget: (String, String),
    /// The cookie value of a browser chat session.
    pub chat: String,
    /// A person who is a member of the domain, is logged in, and enrols an authenticator.
    pub person: Person,
    /// Another member, who is logged in with a second factor, has a passkey too, and is logging in once more.
    pub strong: Person,
    /// An owner of the domain, who is logged in with a second factor.
    pub owner: Person,
    /// A super admin, who is logged in with a second factor. There are as many as there are tenants.
    pub admin: Person,
    /// The same, in a session that is for the Hub.
    pub admin_at_hub: Person,
    /// The identifier of somebody who asks to be a member of the domain.
    pub applicant: String,
    /// A key by which a service of the platform asks the chatbot service: nobody's in particular.
    pub introspection_key: String,
    /// A domain key that may nothing: its secret and its id.
    pub idle_domain_key: (String, String),
}

/// What a browser brings back from a provider of calendars.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The provider.
    pub provider: String,
    /// `state`.
    pub state: String,
    /// `code`.
    pub code: String,
    /// The value of the cookie that binds the transaction to it.
    pub binding: String,
}

impl Arrival {
    /// The request.
    pub fn request(&self) -> Request {
        let Self { provider, state, code, binding } = self;
        Request::get(&format!("/oauth/{provider}/callback?code={code}&state={state}"))
            .header("Cookie", &format!("__Host-oauth={binding}"))
    }
}

/// A person in one of their sessions.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Its identifier.
    pub id: String,
    /// What they log in with.
    pub email: String,
    /// Their password.
    pub password: String,
    /// The session.
    pub session: String,
    /// An access token of it.
    pub access: String,
    /// Its refresh token.
    pub refresh: String,
    /// The cookie of a page that is in it.
    pub page: String,
    /// The secret of their authenticator.
    pub totp: String,
    /// A code of it that was not shown yet.
    pub code: String,
    /// What names a login of theirs that waits for that code.
    pub pending: String,
    /// A passkey of theirs, and its identifier at the platform.
    pub passkey: Option<(Arc<Passkey>, String)>,
    /// What a new passkey answers to a challenge of their session.
    pub registration: String,
    /// A token that shows their address to be theirs, as it is mailed.
    pub verification: String,
    /// A token that sets another password of theirs, as it is mailed.
    pub reset: String,
}

impl Holdings {
    /// What must not be seen by another tenant.
    pub fn marks(&self) -> [&str; 16] {
        [
            self.strong.passkey.as_ref().map_or(&*self.strong.id, |(_, id)| id),
            &self.account_id,
            &self.domain,
            &self.idle_key.1,
            &self.call_sid,
            &self.user_id,
            &self.temp.1,
            &self.widget.1,
            &self.hub_key,
            &self.person.id,
            &self.person.session,
            &self.strong.id,
            &self.strong.session,
            &self.owner.session,
            &self.applicant,
            &self.idle_domain_key.1,
        ]
    }

    /// Puts what the tenant owns where a text names it.
    pub fn fill(&self, service: Service, text: &str) -> String {
        let id = match service {
            Service::Hub => &self.idle_key.1,
            Service::Chatbot => &self.temp.1,
        };
        // An address that nobody has had.
        static NEW: AtomicU64 = AtomicU64::new(0);
        let new = NEW.fetch_add(1, Ordering::Relaxed).to_string();
        let passkey =
            self.strong.passkey.as_ref().map_or_else(|| self.strong.id.clone(), |(_, id)| id.clone());
        [
            ("/oauth/{provider}/callback", "/oauth/microsoft/callback"),
            ("{provider}", "google"),
            ("{code}", &self.arrival.code),
            ("{state}", &self.arrival.state),
            ("/auth/sessions/{id}", &format!("/auth/sessions/{}", self.person.session)),
            ("/auth/mfa/webauthn/{id}", &format!("/auth/mfa/webauthn/{passkey}")),
            ("/account/passkeys/{id}", &format!("/account/passkeys/{passkey}")),
            ("{passkey}", &self.person.registration),
            ("/account/sessions/{id}", &format!("/account/sessions/{}", self.person.session)),
            ("/auth/api/v1/keys/{id}", &format!("/auth/api/v1/keys/{}", self.idle_domain_key.1)),
            ("{person_id}", &self.strong.id),
            ("{new}", &new),
            ("{email}", &self.person.email),
            ("{password}", &self.person.password),
            ("{refresh_token}", &self.person.refresh),
            ("{access_token}", &self.person.access),
            ("{totp_code}", &self.person.code),
            ("{mfa_code}", &self.strong.code),
            ("{mfa_token}", &self.strong.pending),
            ("{verify_token}", &self.person.verification),
            ("{reset_token}", &self.person.reset),
            ("{account_id}", &self.account_id),
            ("{domain}", &self.domain),
            ("{origin}", &self.origin),
            ("{call_sid}", &self.call_sid),
            ("{user_id}", &self.user_id),
            ("{id}", id),
            ("{api_key}", &self.idle_key.0),
            ("{temp_token}", &self.temp.0),
            ("{session_id}", &self.widget.1),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}
