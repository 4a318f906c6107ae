//! What the chatbot service's routes require, and which actions each requirement allows.

use auth_core::{
    id::DomainId,
    policy::{Allows, Assurance, Need, Nobody, Permission, Requirement, Role, Rule},
    port::{
        AdmitMember, ChangeDomain, ChangeKey, ChangePassword, ChangePerson, ChangeRole, CreateDomain,
        CreateKey, DeclineApplicant, DrawRecoveryCodes, EndSession, EndSessions, EnrolTotp, MintToken,
        OpenSession, Register, RemoveMember, RemovePasskey, RemovePerson, RemoveTotp, RevokeKey, RevokeToken,
        RotateKey,
    },
    principal::{KeyPrincipal, PersonPrincipal, Principal, TokenKind, TokenPrincipal},
    service::Service,
};

/// Those who administer a domain.
const ADMINS: &[Role] = &[Role::IsAdmin, Role::DomainOwner];
/// Those who say who does.
const OWNERS: &[Role] = &[Role::DomainOwner, Role::SuperAdmin];

/// A domain key that may mint and check temporary tokens.
#[derive(Debug)]
pub struct Tokens;

impl Requirement for Tokens {
    const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Chatbot, Permission::TokenGeneration)]);
    type Subject = KeyPrincipal;
}
impl Allows<MintToken> for Tokens {}

/// Whoever may see and revoke the temporary tokens of a domain: a key that mints them, and who administers it.
#[derive(Debug)]
pub struct TokenKeepers;

impl Requirement for TokenKeepers {
    const RULE: Rule = Rule::AnyOf(&[
        Need::Key(Service::Chatbot, Permission::TokenGeneration),
        Need::Person(ADMINS, Assurance::Role),
    ]);
    type Subject = Principal;
}
impl Allows<RevokeToken> for TokenKeepers {}

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
    const RULE: Rule = Rule::AnyOf(&[
        Need::Token(TokenKind::Temp),
        Need::Person(&[], Assurance::Role),
        Need::Key(Service::Chatbot, Permission::ChatAccess),
    ]);
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
impl Allows<RemovePasskey> for JustShown {}
impl Allows<DrawRecoveryCodes> for JustShown {}

/// Somebody who administers the platform, and has shown a second factor just now.
#[derive(Debug)]
pub struct SuperAdmins;

impl Requirement for SuperAdmins {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(&[Role::SuperAdmin], Assurance::FreshMfa)]);
    type Subject = PersonPrincipal;
}
impl Allows<CreateDomain> for SuperAdmins {}
impl Allows<ChangePerson> for SuperAdmins {}
impl Allows<RemovePerson> for SuperAdmins {}

/// An owner of a domain, or somebody who administers the platform, who reads.
#[derive(Debug)]
pub struct Owners;

impl Requirement for Owners {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(OWNERS, Assurance::Role)]);
    type Subject = PersonPrincipal;
}

/// The same, who has shown a second factor just now, and writes.
#[derive(Debug)]
pub struct OwnersJustShown;

impl Requirement for OwnersJustShown {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(OWNERS, Assurance::FreshMfa)]);
    type Subject = PersonPrincipal;
}
impl Allows<ChangeDomain> for OwnersJustShown {}
impl Allows<AdmitMember> for OwnersJustShown {}
impl Allows<DeclineApplicant> for OwnersJustShown {}
impl Allows<ChangeRole> for OwnersJustShown {}
impl Allows<RemoveMember> for OwnersJustShown {}

/// Somebody who administers a domain, and has shown a second factor just now: for its keys.
#[derive(Debug)]
pub struct KeyKeepers;

impl Requirement for KeyKeepers {
    const RULE: Rule = Rule::AnyOf(&[Need::Person(ADMINS, Assurance::FreshMfa)]);
    type Subject = PersonPrincipal;
}
impl Allows<CreateKey> for KeyKeepers {}
impl Allows<ChangeKey> for KeyKeepers {}
impl Allows<RotateKey> for KeyKeepers {}
impl Allows<RevokeKey> for KeyKeepers {}

/// A service of the platform that takes access tokens, and asks in which state they are.
#[derive(Debug)]
pub struct Introspects;

impl Requirement for Introspects {
    const RULE: Rule = Rule::AnyOf(&[Need::Key(Service::Chatbot, Permission::Introspect)]);
    type Subject = KeyPrincipal;
}

/// Whoever wants to verify an access token.
#[derive(Debug)]
pub struct Published;

impl Requirement for Published {
    const RULE: Rule = Rule::Public { because: "public keys and addresses are for everybody" };
    type Subject = Nobody;
}

/// Whoever may read the audit trail: of a domain, a key of it that may, and who administers it; of all, who administers
/// the platform.
#[derive(Debug)]
pub struct Audit;

impl Requirement for Audit {
    const RULE: Rule = Rule::AnyOf(&[
        Need::Key(Service::Chatbot, Permission::AuditRead),
        Need::Person(&[Role::IsAdmin, Role::DomainOwner, Role::SuperAdmin], Assurance::FreshMfa),
    ]);
    type Subject = Principal;
}
