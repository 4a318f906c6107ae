//! Who cannot log in: registering, where people do, and asking for a letter that sets another password. What such letters
//! hold is for the operator's own page (`[mail] page`).

use super::{SHOWN_PER_MINUTE, filled, view};
use crate::{Chatbot, people::TRIED_PER_MINUTE, rules::Anybody, settings::Registration};
use auth_core::{
    model::{Address, DomainName, Name},
    policy::Proof,
    port::Occasion,
};
use auth_web::{Endpoint, Method, Problem, Spec, input::OwnForm, page::Page};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a form says of somebody.
fn read<T, E: std::fmt::Display>(field: &str, parsed: Result<T, E>) -> Result<T, Problem> {
    parsed.map_err(|wrong| Problem::invalid(field, wrong))
}

/// The domain that a form names, if it does.
pub(super) fn domain(named: Option<&str>) -> Result<Option<DomainName>, Problem> {
    named.map(|name| read("domain", DomainName::parse(name))).transpose()
}

/// `GET /register`.
pub struct RegisterForm;

impl Endpoint<Chatbot> for RegisterForm {
    type Auth = Anybody;
    type Input = ();
    type Output = Page;
    const SPEC: Spec = Spec::get("page_register_form", "/register", "The page to register, where people do.")
        .page()
        .throttled(SHOWN_PER_MINUTE);

    async fn call(chatbot: &Chatbot, _: Proof<'_, Anybody>, (): ()) -> Result<Page, Problem> {
        match chatbot.people.registration {
            Registration::Off => Err(Problem::absent()),
            Registration::Verified | Registration::Open => Ok(view::register_form(None)),
        }
    }
}

/// Somebody who wants to register.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterFields {
    email: String,
    name: String,
    /// 12 to 72 bytes, and not among those that are guessed first.
    password: String,
    /// The domain that they want to be a member of: one of its owners approves, unless it is open.
    #[serde(default, deserialize_with = "filled")]
    domain: Option<String>,
}

/// `POST /register`.
pub struct Register;

impl Endpoint<Chatbot> for Register {
    type Auth = Anybody;
    type Input = OwnForm<RegisterFields>;
    type Output = Page;
    const SPEC: Spec = Spec::new(
        "page_register",
        Method::Post,
        "/register",
        "Registers a person, where people do; says the same of an address that is taken.",
    )
    .audited("person.registered")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("register")
    .body("email=bob{new}@example.com&name=Bob&password=violet tapir quietly&domain=");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        OwnForm(form): Self::Input,
    ) -> Result<Page, Problem> {
        let (address, name) =
            (read("email", Address::parse(&form.email))?, read("name", Name::parse(&form.name))?);
        let domain = domain(form.domain.as_deref())?;
        chatbot.register(&who, address, name, &form.password, domain).await?;
        Ok(view::registered(chatbot.people.registration))
    }
}

/// `GET /forgotten`.
pub struct ForgottenForm;

impl Endpoint<Chatbot> for ForgottenForm {
    type Auth = Anybody;
    type Input = ();
    type Output = Page;
    const SPEC: Spec = Spec::get(
        "page_forgotten_form",
        "/forgotten",
        "The page for whoever forgot their password, where letters are sent.",
    )
    .page()
    .throttled(SHOWN_PER_MINUTE);

    async fn call(chatbot: &Chatbot, _: Proof<'_, Anybody>, (): ()) -> Result<Page, Problem> {
        if chatbot.people.password_reset.is_on() {
            Ok(view::forgotten_form(None))
        } else {
            Err(Problem::absent())
        }
    }
}

/// Whose password was forgotten.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgottenFields {
    email: String,
}

/// `POST /forgotten`.
pub struct Forgotten;

impl Endpoint<Chatbot> for Forgotten {
    type Auth = Anybody;
    type Input = OwnForm<ForgottenFields>;
    type Output = Page;
    const SPEC: Spec = Spec::new(
        "page_forgotten",
        Method::Post,
        "/forgotten",
        "Mails a token that sets another password, where somebody has the address; says the same of any.",
    )
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("password_forgot")
    .body("email={email}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        OwnForm(form): Self::Input,
    ) -> Result<Page, Problem> {
        if !chatbot.people.password_reset.is_on() {
            return Err(Problem::absent());
        }
        chatbot.write_to(read("email", Address::parse(&form.email))?, Occasion::Forgot, &who);
        Ok(view::asked())
    }
}
