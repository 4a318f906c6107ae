//! What the chatbot service's routes require, and which actions each requirement allows.

use auth_core::{
    id::DomainId,
    policy::{Allows, Assurance, Need, Nobody, Permission, Requirement, Rule},
    port::{
        ChangePassword, DrawRecoveryCodes, EndSession, EndSessions, EnrolTotp, MintToken, OpenSession,
        Register, RemoveTotp, RevokeToken,
    },
    principal::{KeyPrincipal, PersonPrincipal, TokenKind, TokenPrincipal},
    service::Service,
};

/// A domain key that may mint, check and revoke temporary tokens.
#[derive(Debug)]
pub struct Tokens;

impl Requirement for Tokens {
    const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Chatbot, Permission::TokenGeneration)]);
    type Subject = KeyPrincipal;
}
impl Allows<MintToken> for Tokens {}
impl Allows<RevokeToken> for Tokens {}

/// A temporary token that opens a browser chat.
#[derive(Debug)]
pub struct Invited;

impl Requirement for Invited {
    const RULE: Rule = Rule::AnyOf(&[Need::Token(TokenKind::Temp)]);
    type Subject = TokenPrincipal;
}
impl Allows<OpenSession> for Invited {}

/// A browser chat session.
#[derive(Debug)]
pub struct Browser;

impl Requirement for Browser {
    const RULE: Rule = Rule::AnyOf(&[Need::Token(TokenKind::Chat)]);
    type Subject = TokenPrincipal;
}

/// A page that wants to open a widget session.
#[derive(Debug)]
pub struct WidgetPage;

impl Requirement for WidgetPage {
    const RULE: Rule =
        Rule::Public { because: "visitors hold no credential; the page's origin must be listed" };
    type Subject = Nobody;
}
impl Allows<OpenSession> for WidgetPage {}

/// A browser that asks what a page may send.
#[derive(Debug)]
pub struct Asking;

impl Requirement for Asking {
    const RULE: Rule = Rule::Public { because: "a CORS preflight carries no credential, and has no effect" };
    type Subject = Nobody;
}

/// A widget session.
#[derive(Debug)]
pub struct Visitor;

impl Requirement for Visitor {
    const RULE: Rule = Rule::AnyOf(&[Need::Token(TokenKind::Widget)]);
    type Subject = TokenPrincipal;
}

/// Whoever may ask a domain's chatbot.
#[derive(Debug)]
pub struct Chatter;

impl Requirement for Chatter {
    const RULE: Rule =
        Rule::AnyOf(&[Need::Token(TokenKind::Temp), Need::Key(Service::Chatbot, Permission::ChatAccess)]);
    type Subject = DomainId;
}

/// Somebody who has not logged in yet, or whose access token has ended.
#[derive(Debug)]
pub struct Anybody;

impl Requirement for Anybody {
    const RULE: Rule =
        Rule::Public { because: "what is sent is itself what proves who somebody is, or will" };
    type Subject = Nobody;
}
impl Allows<Register> for Anybody {}

/// A person, in one of their sessions, about what is their own: also one who has yet to enrol a second factor.
#[derive(Debug)]
pub struct LoggedIn;

impl Requirement for LoggedIn {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(&[], Assurance::Login)]);
    type Subject = PersonPrincipal;
}
impl Allows<ChangePassword> for LoggedIn {}
impl Allows<EndSession> for LoggedIn {}
impl Allows<EndSessions> for LoggedIn {}

/// A person who has logged in just now: to enrol a second factor.
#[derive(Debug)]
pub struct JustLoggedIn;

impl Requirement for JustLoggedIn {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(&[], Assurance::FreshLogin)]);
    type Subject = PersonPrincipal;
}
impl Allows<EnrolTotp> for JustLoggedIn {}

/// A person who has shown a second factor once in this session.
#[derive(Debug)]
pub struct WithFactor;

impl Requirement for WithFactor {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(&[], Assurance::Mfa)]);
    type Subject = PersonPrincipal;
}

/// A person who has shown a second factor just now.
#[derive(Debug)]
pub struct JustShown;

impl Requirement for JustShown {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(&[], Assurance::FreshMfa)]);
    type Subject = PersonPrincipal;
}
impl Allows<RemoveTotp> for JustShown {}
impl Allows<DrawRecoveryCodes> for JustShown {}

/// Whoever wants to verify an access token.
#[derive(Debug)]
pub struct Published;

impl Requirement for Published {
    const RULE: Rule = Rule::Public { because: "public keys and addresses are for everybody" };
    type Subject = Nobody;
}

/// A domain key that may read the audit trail.
#[derive(Debug)]
pub struct Audit;

impl Requirement for Audit {
    const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Chatbot, Permission::AuditRead)]);
    type Subject = KeyPrincipal;
}
