//! The login page: what people do with their logins, in a browser, without script but for passkeys. It does nothing by
//! itself: each of its routes calls the flow that the route for programs calls, under the same requirement, and answers a
//! page.
//!
//! A page is logged in by a cookie that names a session of its person (ADR 17). The tokens of that session are given to
//! nobody.

mod account;
mod factors;
mod login;
mod newcomers;
mod passkeys;
mod view;

pub use account::{Account, ChangePassword, EndSession, Logout, LogoutAll};
pub use factors::{ConfirmTotp, EnrollTotp, RecoveryCodes, RemoveTotp, StepUp};
pub use login::{Factor, FactorForm, Login, LoginForm};
pub use newcomers::{Forgotten, ForgottenForm, Register, RegisterForm};
pub use passkeys::{ConfirmPasskey, EnrollPasskey, ProofForm, RemovePasskey};

use crate::{Chatbot, passkeys::RequestView};
use auth_core::{
    error::FlowError,
    flow::PasskeyQuestion,
    model::Session,
    policy::{Proof, Requirement},
    principal::{PersonPrincipal, Principal},
    secret::PlainToken,
};
use auth_web::{Place, Problem, Service as _, input::CookieName, page::Page, problem::Kind, reply::SeeOther};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IntoDeserializer},
};

/// The cookie of a page that is logged in. Its prefix binds it to this host, this path and TLS (RFC 6265bis §4.1.3.2).
const SESSION: &str = "__Host-session";
/// The cookie of a login that waits for its second factor.
const LOGIN: &str = "__Host-login";

/// Where pages of whoever is logged in look for their session.
const IN_SESSION: Place = Place::Page(SESSION);

/// Pages that one address may ask for a minute: each asks the store.
const SHOWN_PER_MINUTE: u32 = 600;

/// The session that a page was in before.
#[derive(Debug)]
pub struct Earlier;

impl CookieName for Earlier {
    const NAME: &'static str = SESSION;
}

/// A login that waits for its second factor.
#[derive(Debug)]
pub struct Waiting;

impl CookieName for Waiting {
    const NAME: &'static str = LOGIN;
}

/// A cookie that comes with requests of this site's own pages alone: who follows a link of another site is logged in once
/// they are here.
fn cookie(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

/// To the form of the login, out of a session that has ended, and of a login that waits.
fn out() -> SeeOther {
    SeeOther { location: "/login", cookies: vec![cookie(SESSION, "", 0), cookie(LOGIN, "", 0)] }
}

/// Back to the page of the account.
const fn back() -> SeeOther {
    SeeOther { location: "/account", cookies: Vec::new() }
}

impl Chatbot {
    /// Leads into a session that a proof has begun. The one that the page was in before, whoever's, ends: what was known
    /// before a login is worth nothing after.
    async fn enter<R: Requirement>(
        &self,
        who: &Proof<'_, R>,
        session: &Session,
        earlier: Option<&PlainToken>,
    ) -> Result<SeeOther, Problem> {
        let platform = self.platform();
        if let Some(earlier) = earlier {
            self.logins.replace_page(platform, who.origin(), session, earlier.expose()).await?;
        }
        let (page, expires_at) = self.logins.page(platform, session);
        let seconds = expires_at.since(platform.now()).as_secs();
        let cookies = vec![cookie(SESSION, page.expose(), seconds), cookie(LOGIN, "", 0)];
        Ok(SeeOther { location: "/account", cookies })
    }

    /// What a browser is asked for, where a passkey can be shown. Where it cannot, whatever the reason, all other factors can.
    fn asked(&self, question: Result<Option<PasskeyQuestion>, FlowError>) -> Option<RequestView> {
        match question {
            Ok(question) => question.map(|question| RequestView::of(&question, self.platform().now())),
            Err(FlowError::Denied(_)) => None,
            Err(error) => {
                tracing::warn!(%error, "no passkey can be asked for");
                None
            }
        }
    }

    /// The page that tells a problem: where there is something to be done about it, with the form for that.
    pub(crate) fn page_of(&self, route: &str, who: Option<Principal>, problem: &Problem) -> Page {
        let links = view::Links::of(&self.people);
        let said = view::said(route, problem);
        let person = match &who {
            Some(Principal::Person(person)) => Some(person),
            _ => None,
        };
        match problem.kind() {
            Kind::StepUp => stronger(person, &links),
            Kind::Unauthenticated if route == "page_factor" => view::factor_form(Some(&said), None),
            Kind::Unauthenticated => view::login_form(Some(&said), &links),
            _ => match route {
                "page_login" => view::login_form(Some(&said), &links),
                "page_factor" | "page_factor_form" => view::factor_form(Some(&said), None),
                "page_step_up" | "page_step_up_form" => view::proof_form(Some(&said), None),
                "page_totp_confirm" => view::confirm_form(Some(&said)),
                "page_passkey_confirm" => view::no_passkey(&said),
                "page_password" => view::password_form(Some(&said)),
                "page_register" if problem.kind() != Kind::Absent => view::register_form(Some(&said)),
                "page_forgotten" if problem.kind() != Kind::Absent => view::forgotten_form(Some(&said)),
                _ => view::plain(problem.kind().title(), &said),
            },
        }
    }
}

/// What somebody has to do who must prove themself more strongly, or anew.
fn stronger(person: Option<&PersonPrincipal>, links: &view::Links) -> Page {
    match person {
        Some(person) if person.amr.is_mfa() => {
            let said = "This takes a second factor that was shown within the last 15 minutes.";
            view::proof_form(Some(said), None)
        }
        Some(person) if person.is_fresh() => view::plain(
            "A second factor is needed",
            "Set up an authenticator or a passkey first, on the page of your account.",
        ),
        _ => view::login_form(Some("This takes a login of the last 15 minutes. Log in again."), links),
    }
}

/// A member of a form that may be left empty, as browsers send it then.
fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de>>(form: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(form)?;
    if text.is_empty() { Ok(None) } else { T::deserialize(text.into_deserializer()).map(Some) }
}

/// A member of a form that a script fills with JSON, and that is empty where there is none.
fn filled_with_json<'de, D, T>(form: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let text = filled::<D, String>(form)?;
    let wrong = |_| D::Error::custom("not what a browser answers");
    text.map(|text| serde_json::from_str(&text).map_err(wrong)).transpose()
}
