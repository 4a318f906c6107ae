//! What the pages show. Every text is escaped by its type.

use crate::{
    passkeys::{CreationView, RequestView},
    settings::{People, Registration},
};
use auth_core::{
    flow::Enrolment,
    model::{Login, PasskeyFactor, Session},
    principal::PersonPrincipal,
    secret::PlainToken,
};
use auth_web::{Problem, page::Page, problem::Kind};
use fast_qr::{ECL, QRBuilder, QRCode};
use maud::{Markup, html};
use serde::Serialize;
use std::fmt::Write as _;

/// What asks a browser for a passkey.
const SCRIPT: &str = include_str!("passkey.js");

/// What a page leads to beside a login, where it is on.
pub(super) struct Links {
    registration: bool,
    reset: bool,
}

impl Links {
    pub(super) fn of(people: &People) -> Self {
        Self { registration: people.registration != Registration::Off, reset: people.password_reset.is_on() }
    }
}

/// What somebody is told of a problem: no more than programs are.
pub(super) fn said(route: &str, problem: &Problem) -> String {
    match (problem.kind(), problem.retry_after()) {
        (Kind::Throttled | Kind::Unavailable, Some(wait)) => {
            format!("This cannot be done just now. Try again in {} seconds.", wait.as_secs().max(1))
        }
        (Kind::Unauthenticated, _) => match route {
            "page_login" => "Nobody logs in with this address and password.".to_owned(),
            "page_factor" => {
                "This is not good now: each code is good once, and a login waits for 5 minutes.".to_owned()
            }
            _ => "You are not logged in, or not any more.".to_owned(),
        },
        _ => problem.detail().to_owned(),
    }
}

fn alert(said: Option<&str>) -> Markup {
    html! {
        @if let Some(said) = said { p role="alert" { (said) } }
    }
}

/// A page that tells something, and leads back.
pub(super) fn plain(title: &str, said: &str) -> Page {
    Page::new(title, &html! { (alert(Some(said))) p { a href="/account" { "Your account" } } })
}

/// The form of a login.
pub(super) fn login_form(said: Option<&str>, links: &Links) -> Page {
    let form = html! {
        (alert(said))
        form method="post" action="/login" {
            label for="email" { "Address" }
            input id="email" name="email" type="email" autocomplete="username" required maxlength="254" autofocus;
            label for="password" { "Password" }
            input id="password" name="password" type="password" autocomplete="current-password" required;
            label for="domain" { "Domain, if you belong to more than one" }
            input id="domain" name="domain" autocomplete="off" maxlength="253";
            button { "Log in" }
        }
        @if links.registration { p { a href="/register" { "Register" } } }
        @if links.reset { p { a href="/forgotten" { "Forgotten your password?" } } }
    };
    Page::new("Log in", &form)
}

/// The form of whoever wants to register.
pub(super) fn register_form(said: Option<&str>) -> Page {
    let form = html! {
        (alert(said))
        form method="post" action="/register" {
            label for="email" { "Address" }
            input id="email" name="email" type="email" autocomplete="username" required maxlength="254" autofocus;
            label for="name" { "Name" }
            input id="name" name="name" autocomplete="name" required;
            label for="password" { "Password, of at least 12 characters" }
            input id="password" name="password" type="password" autocomplete="new-password" required minlength="12";
            label for="domain" { "Domain that you want to belong to, if any" }
            input id="domain" name="domain" autocomplete="off" maxlength="253";
            button { "Register" }
        }
        (to_login())
    };
    Page::new("Register", &form)
}

/// What everybody is told who registers.
pub(super) fn registered(registration: Registration) -> Page {
    let beneath = html! {
        p {
            @if registration.is_open() { "You can log in, unless the address was taken." }
            @else { "A letter is on its way to this address. Log in once you have done what it says." }
        }
        (to_login())
    };
    Page::new("You have registered", &beneath)
}

/// The form of whoever forgot their password.
pub(super) fn forgotten_form(said: Option<&str>) -> Page {
    let form = html! {
        (alert(said))
        form method="post" action="/forgotten" {
            label for="email" { "Address" }
            input id="email" name="email" type="email" autocomplete="username" required maxlength="254" autofocus;
            button { "Send a letter" }
        }
        (to_login())
    };
    Page::new("Your password", &form)
}

/// What everybody is told who asks for a letter.
pub(super) fn asked() -> Page {
    let said = "If somebody logs in with this address, a letter is on its way that says how to set another password.";
    Page::new("Your password", &html! { p { (said) } (to_login()) })
}

fn to_login() -> Markup {
    html! { p { a href="/login" { "Log in" } } }
}

/// Two forms: for a code of the authenticator, and for a recovery code.
fn codes(action: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            (code_field())
            button { "Go on" }
        }
        form method="post" action=(action) {
            label for="recovery_code" { "Or a recovery code" }
            input id="recovery_code" name="recovery_code" autocomplete="off" required;
            button { "Go on with it" }
        }
    }
}

fn code_field() -> Markup {
    html! {
        label for="code" { "The six digits that your authenticator shows" }
        input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="10" autofocus;
    }
}

/// The forms of a second factor, with one for a passkey where that was asked for. Where something went wrong, it is at the
/// page that a link leads to.
fn factors(action: &str, said: Option<&str>, passkey: Option<&RequestView>, back: &Markup) -> Page {
    let forms = html! {
        (alert(said))
        @if let Some(asked) = passkey { (asking(action, Ceremony::Get, asked, "Use a passkey", &html! {})) }
        (codes(action))
        @if said.is_some() { p { a href=(action) { "Use a passkey" } } }
        (back)
    };
    let title = "Your second factor";
    if passkey.is_some() { Page::with_script(title, &forms, SCRIPT) } else { Page::new(title, &forms) }
}

/// Of a login.
pub(super) fn factor_form(said: Option<&str>, passkey: Option<&RequestView>) -> Page {
    factors("/login/factor", said, passkey, &html! { p { a href="/login" { "Begin again" } } })
}

/// Of whoever is logged in.
pub(super) fn proof_form(said: Option<&str>, passkey: Option<&RequestView>) -> Page {
    factors("/account/proof", said, passkey, &to_account())
}

fn to_account() -> Markup {
    html! { p { a href="/account" { "Your account" } } }
}

/// What a browser is asked for (WebAuthn Level 3 §5.1).
#[derive(Clone, Copy)]
enum Ceremony {
    Create,
    Get,
}

/// A form that [`SCRIPT`] sends, once a browser has answered. Without script it is not seen.
fn asking(action: &str, ceremony: Ceremony, asked: &impl Serialize, label: &str, fields: &Markup) -> Markup {
    let (ceremony, answer) = match ceremony {
        Ceremony::Create => ("create", "credential"),
        Ceremony::Get => ("get", "webauthn"),
    };
    // What has no map in it can be written.
    let options = serde_json::to_string(asked).unwrap_or_default();
    html! {
        form method="post" action=(action) data-ceremony=(ceremony) data-options=(options) hidden {
            (fields)
            input name=(answer) type="hidden";
            button { (label) }
            p role="status" {}
        }
    }
}

/// A passkey that is being set up.
pub(super) fn new_passkey(asked: &CreationView) -> Page {
    let name = html! {
        label for="name" { "What to call it" }
        input id="name" name="name" autocomplete="off" required maxlength="64" autofocus;
    };
    let beneath = html! {
        (asking("/account/passkeys/confirm", Ceremony::Create, asked, "Set it up", &name))
        p role="alert" data-without-passkey { "A passkey takes a browser that knows them, and runs script." }
        p { "All sessions that you have end with that, and a new one begins here." }
        (to_account())
    };
    Page::with_script(NEW_PASSKEY, &beneath, SCRIPT)
}

const NEW_PASSKEY: &str = "Set up a passkey";

/// One that was not set up.
pub(super) fn no_passkey(said: &str) -> Page {
    let beneath = html! {
        (alert(Some(said)))
        (button("/account/passkeys", "Begin again"))
        (to_account())
    };
    Page::new(NEW_PASSKEY, &beneath)
}

/// The form of another password.
pub(super) fn password_form(said: Option<&str>) -> Page {
    let form = html! {
        (alert(said))
        (password_fields(""))
        p { a href="/account" { "Your account" } }
    };
    Page::new("Another password", &form)
}

/// Whose password it is stands there for whatever keeps passwords; it is not sent.
fn password_fields(address: &str) -> Markup {
    html! {
        form method="post" action="/account/password" {
            input type="email" autocomplete="username" value=(address) readonly hidden;
            label for="current_password" { "The password that you have" }
            input id="current_password" name="current_password" type="password" autocomplete="current-password" required;
            label for="new_password" { "Another one, of at least 12 characters" }
            input id="new_password" name="new_password" type="password" autocomplete="new-password" required minlength="12";
            button { "Change the password" }
        }
        p { "All your other sessions end with that." }
    }
}

/// An authenticator that is being enrolled: shown once.
pub(super) fn enrolment(enrolment: &Enrolment) -> Page {
    let secret = enrolment.secret.text();
    let beneath = html! {
        p { "Scan this with your authenticator, or type the key into it. Neither is shown again." }
        @if let Some(code) = qr(enrolment.uri.expose()) { (code) }
        p { "Key: " code id="secret" { (*secret) } }
        (confirm_fields())
    };
    Page::new("Set up an authenticator", &beneath)
}

/// The form that confirms it.
pub(super) fn confirm_form(said: Option<&str>) -> Page {
    let beneath = html! {
        (alert(said))
        (confirm_fields())
        (button("/account/authenticator", "Begin again with another key"))
        p { a href="/account" { "Your account" } }
    };
    Page::new("Set up an authenticator", &beneath)
}

fn confirm_fields() -> Markup {
    html! {
        form method="post" action="/account/authenticator/confirm" {
            (code_field())
            button { "Confirm" }
        }
        p { "All sessions that you have end with that, and a new one begins here." }
    }
}

/// Recovery codes: shown once.
pub(super) fn recovery_codes(codes: &[PlainToken]) -> Page {
    let beneath = html! {
        p { "Each of these stands for your authenticator once. Keep them where it is not; they are not shown again." }
        ul { @for code in codes { li { code { (code.expose()) } } } }
        p { a href="/account" { "Your account" } }
    };
    Page::new("Recovery codes", &beneath)
}

/// A form of a button alone.
fn button(action: &str, label: &str) -> Markup {
    html! { form method="post" action=(action) { button { (label) } } }
}

/// The page of an account.
pub(super) fn account(me: &PersonPrincipal, login: &Login, sessions: &[Session]) -> Page {
    let person = &login.person;
    let beneath = html! {
        @if !me.is_backed() {
            p role="alert" { "What your role allows takes a second factor. Set one up." }
        }
        p { (person.name.as_str()) ", " (person.address.as_str())
            @if let Some(role) = me.role { ", " (role.name()) } }
        (button("/logout", "Log out"))
        h2 { "Second factor" }
        (second_factor(login))
        h2 { "Sessions" }
        (table_of(me, sessions))
        (button("/account/sessions/end", "Log out everywhere"))
        h2 { "Password" }
        (password_fields(person.address.as_str()))
    };
    Page::new("Your account", &beneath)
}

fn second_factor(login: &Login) -> Markup {
    html! {
        @if !login.has_factor() { p { "None is set up." } }
        @if login.has_totp() {
            p { "An authenticator is set up." }
            (button("/account/authenticator/remove", "Remove the authenticator"))
        } @else {
            (button("/account/authenticator", "Set up an authenticator"))
        }
        @if !login.passkeys.is_empty() { (passkeys(&login.passkeys)) }
        (button("/account/passkeys", "Set up a passkey"))
        @if login.has_factor() {
            p { "Recovery codes that are left: " (login.recovery_codes) "." }
            (button("/account/recovery-codes", "Draw recovery codes"))
        }
    }
}

fn passkeys(passkeys: &[PasskeyFactor]) -> Markup {
    html! {
        table {
            tr { th { "Passkey" } th { "Since" } th { "Shown last" } th {} }
            @for passkey in passkeys {
                tr {
                    td { (passkey.name.as_str()) }
                    td { (passkey.created_at.to_string()) }
                    td { @if let Some(at) = passkey.last_used_at { (at.to_string()) } @else { "never" } }
                    td { (button(&format!("/account/passkeys/{}/remove", passkey.id), "Remove")) }
                }
            }
        }
    }
}

fn table_of(me: &PersonPrincipal, sessions: &[Session]) -> Markup {
    html! {
        table {
            tr { th { "Since" } th { "From" } th { "For" } th { "By" } th {} }
            @for session in sessions {
                tr {
                    td { (session.created_at.to_string()) }
                    td { (session.source) }
                    td { (session.domain.as_ref().map_or(session.audience.name(), |domain| domain.as_str())) }
                    td { (session.amr.acr()) }
                    td {
                        @if session.id == me.session { "this one" }
                        @else { (button(&format!("/account/sessions/{}/end", session.id), "End")) }
                    }
                }
            }
        }
    }
}

/// A QR code (ISO/IEC 18004) of a text, as a drawing that loads nothing; `None` where the text is too long for one.
fn qr(text: &str) -> Option<Markup> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    // Four modules around it stay white, by which a reader finds it.
    let size = code.size + 8;
    Some(html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="QR code of the key" viewBox={ "0 0 " (size) " " (size) }
            shape-rendering="crispEdges" {
            path d=(path(&code)) {}
        }
    })
}

fn path(code: &QRCode) -> String {
    let mut path = String::new();
    for y in 0..code.size {
        for (x, module) in code[y].iter().enumerate() {
            if module.value() {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {}h1v1h-1z", x + 4, y + 4);
            }
        }
    }
    path
}
