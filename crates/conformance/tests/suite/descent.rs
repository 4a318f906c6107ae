//! Each way in which something ends, and each credential that descends from something: what ends with what, and what goes on.
//! Both services are asked over HTTP, before and after.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    flow::{Handover, rotate_signing_key, set_account_status, set_domain_status},
    jwt::{Algorithm, Issuer, SigningKey, SigningKeys},
    model::{DomainName, Status},
    policy::{Installation, Permissions, Role, grant},
    port::RotateSigningKey,
    service::Service,
};
use conformance::{
    caller::form,
    client::Request,
    operator::operator,
    place::Place,
    world::{ISSUER, Person, World},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// A credential of the first tenant, by what it descends from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Child {
    HubKey,
    DomainKey,
    /// Minted by that key.
    Temp,
    /// Opened by that token.
    Chat,
    Widget,
    /// Of a member's session.
    Access,
    /// The cookie of a page in that session.
    Page,
    /// A login of that member that waits for their second factor.
    Pending,
    /// A super admin's, for the Hub.
    AdminAtHub,
    /// Of the earlier system, of another member.
    Earlier,
    /// Of that session. It is good once.
    Refresh,
    /// Of the super admin's session for the Hub. It is good once.
    AdminRefresh,
    /// What the member would set another password with. It is good once.
    Reset,
}
use Child::*;

const CHILDREN: [Child; 13] = [
    HubKey,
    DomainKey,
    Temp,
    Chat,
    Widget,
    Access,
    Page,
    Pending,
    AdminAtHub,
    Earlier,
    Refresh,
    AdminRefresh,
    Reset,
];
/// Those that are shown once alone.
const ONCE: [Child; 3] = [Refresh, AdminRefresh, Reset];

/// A member's session and all that is in it, but for what waits for another.
const SESSION: [Child; 3] = [Access, Page, Refresh];

/// The first tenant's credentials, and whose they are.
struct Family<'a> {
    world: &'a World,
    domain_key: (String, String),
    temp: (String, String),
    chat: String,
    member: Person,
    earlier: (Person, String),
}

impl<'a> Family<'a> {
    async fn of(world: &'a World) -> Self {
        let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
        let domain_key =
            world.key(Service::Chatbot, tenant, Permissions::all_of(Service::Chatbot), None).await;
        let temp = world.temp(&domain_key.0, 1).await;
        let opened = world.chatbot(Request::get(&format!("/autoconnect?token={}", temp.0))).await;
        let chat = opened.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        let member = world.mailed(world.pending(&world.a.strong).await).await;
        let taken_over = world.taken_over("gail@a.example", tenant, Role::Member).await;
        let earlier = world.earlier_token(&taken_over, Duration::from_secs(3600));
        Self { world, domain_key, temp, chat, member, earlier: (taken_over, earlier) }
    }

    /// Whether a credential is good.
    async fn is_good(&self, child: Child) -> bool {
        let Self { world, domain_key, temp, chat, member, earlier } = self;
        let refresh =
            |token: &str| Request::post("/auth/refresh", &json!({ "refresh_token": token }).to_string());
        let request = match child {
            HubKey => Request::get("/calls").bearer(&world.a.hub_key),
            AdminAtHub => Request::get("/accounts").bearer(&world.a.admin_at_hub.access),
            DomainKey => Request::get("/auth/api/v1/tokens").bearer(&domain_key.0),
            Temp => Request::post("/query/", r#"{"question":"When are you open?"}"#).bearer(&temp.0),
            Chat => Request::get("/chat").header("Cookie", &format!("__Host-chat={chat}")),
            Widget => {
                let say = json!({ "session_id": world.a.widget.1, "text": "Hello" });
                Request::post("/v1/widget/message", &say.to_string()).bearer(&world.a.widget.0)
            }
            Access => Request::get("/auth/me").bearer(&member.access),
            Page => Request::get("/account").header("Cookie", &format!("__Host-session={}", member.page)),
            Pending => {
                let login = json!({ "mfa_token": member.pending });
                Request::post("/auth/mfa/webauthn/challenge", &login.to_string())
            }
            Earlier => Request::get("/auth/me").bearer(&earlier.1),
            Refresh => refresh(&member.refresh),
            AdminRefresh => refresh(&world.a.admin_at_hub.refresh),
            Reset => {
                let wanted = json!({ "token": member.reset, "password": "quietly violet tapirs" });
                Request::post("/auth/password/reset", &wanted.to_string())
            }
        };
        let answer = match child {
            HubKey | AdminAtHub => world.hub(request).await,
            _ => world.chatbot(request).await,
        };
        assert!(answer.status < 300 || answer.status == 401, "{child:?}: {answer:?}");
        answer.status < 300
    }

    /// Whether a Hub key, a domain key and an access token of the other tenant are good.
    async fn others(&self) -> [bool; 3] {
        let (world, b) = (self.world, &self.world.b);
        let calls = world.hub(Request::get("/calls").bearer(&b.hub_key)).await.status;
        let tokens = world.chatbot(Request::get("/auth/api/v1/tokens").bearer(&b.domain_key)).await.status;
        let me = world.chatbot(Request::get("/auth/me").bearer(&b.person.access)).await.status;
        [calls, tokens, me].map(|status| status == 200)
    }

    /// Those that are good, of these.
    async fn good(&self, of: &[Child]) -> BTreeSet<Child> {
        let mut good = BTreeSet::new();
        for child in of {
            // Asked twice: the second answer is out of memory.
            let first = self.is_good(*child).await;
            if !ONCE.contains(child) {
                assert_eq!(self.is_good(*child).await, first, "{child:?}");
            }
            if first {
                good.insert(*child);
            }
        }
        good
    }
}

/// A way in which something ends, above a credential or itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    HubKeyRevoked,
    DomainKeyRevoked,
    TempRevoked,
    LoggedOut,
    LoggedOutEverywhere,
    EndedFromElsewhere,
    AccessRevoked,
    RefreshRevoked,
    ReplacedByAnotherProof,
    AnotherPassword,
    ResetByMail,
    FactorRemoved,
    PasskeyRemoved,
    AnotherRole,
    MemberRemoved,
    PersonSuspended,
    PersonRemoved,
    DomainSuspended,
    AccountSuspended,
    SigningKeyWithdrawn,
    AdminDemoted,
    AdminSuspended,
    AdminLoggedOutEverywhere,
    EarlierLoggedOut,
    EarlierSuspended,
    EarlierMemberRemoved,
}

/// Each way, and what ends with it: all else goes on.
const WAYS: [(Way, &[Child]); 26] = [
    (Way::HubKeyRevoked, &[HubKey]),
    (Way::DomainKeyRevoked, &[DomainKey, Temp, Chat]),
    (Way::TempRevoked, &[Temp, Chat]),
    (Way::LoggedOut, &SESSION),
    (Way::LoggedOutEverywhere, &[Access, Page, Pending, Refresh, Reset]),
    (Way::EndedFromElsewhere, &SESSION),
    (Way::AccessRevoked, &SESSION),
    (Way::RefreshRevoked, &SESSION),
    (Way::ReplacedByAnotherProof, &SESSION),
    (Way::AnotherPassword, &[Access, Page, Pending, Refresh, Reset]),
    (Way::ResetByMail, &[Access, Page, Pending, Refresh, Reset]),
    (Way::FactorRemoved, &[Access, Page, Pending, Refresh, Reset]),
    (Way::PasskeyRemoved, &[Access, Page, Pending, Refresh, Reset]),
    (Way::AnotherRole, &SESSION),
    (Way::MemberRemoved, &SESSION),
    (Way::PersonSuspended, &[Access, Page, Pending, Refresh, Reset]),
    (Way::PersonRemoved, &[Access, Page, Pending, Refresh, Reset]),
    (Way::DomainSuspended, &[DomainKey, Temp, Chat, Widget, Access, Page, Earlier, Refresh]),
    (Way::AccountSuspended, &[HubKey, DomainKey, Temp, Chat, Widget, Access, Page, Earlier, Refresh]),
    (Way::SigningKeyWithdrawn, &[Access, AdminAtHub]),
    (Way::AdminDemoted, &[AdminAtHub, AdminRefresh]),
    (Way::AdminSuspended, &[AdminAtHub, AdminRefresh]),
    (Way::AdminLoggedOutEverywhere, &[AdminAtHub, AdminRefresh]),
    (Way::EarlierLoggedOut, &[Earlier]),
    (Way::EarlierSuspended, &[Earlier]),
    (Way::EarlierMemberRemoved, &[Earlier]),
];

impl Family<'_> {
    async fn end(&self, way: Way) {
        let Self { world, domain_key, temp, member, earlier, .. } = self;
        let (a, b) = (&world.a, &world.b);
        let request = match way {
            Way::HubKeyRevoked => {
                let key = Request::post("/api-keys/verify", &json!({ "key": a.hub_key }).to_string());
                let id = world.hub(key.bearer(&a.hub_key)).await.field("key_id");
                let revoked = Request::new("DELETE", &format!("/api-keys/{id}")).bearer(&a.hub_key);
                assert_eq!(world.hub(revoked).await.status, 204);
                return;
            }
            Way::DomainKeyRevoked => {
                let path = format!("/auth/api/v1/keys/{}", domain_key.1);
                Request::new("DELETE", &path).bearer(&a.owner.access)
            }
            Way::TempRevoked => {
                let path = format!("/auth/api/v1/tokens/{}", temp.1);
                Request::new("DELETE", &path).bearer(&domain_key.0)
            }
            Way::LoggedOut => Request::new("POST", "/auth/logout").bearer(&member.access),
            Way::LoggedOutEverywhere => Request::new("POST", "/auth/logout-all").bearer(&member.access),
            Way::EndedFromElsewhere => {
                let other = self.elsewhere().await;
                let path = format!("/auth/sessions/{}", member.session);
                Request::new("DELETE", &path).bearer(&other.access)
            }
            Way::AccessRevoked => form("/auth/revoke", &format!("token={}", member.access)),
            Way::RefreshRevoked => {
                let refreshed = json!({ "refresh_token": member.refresh }).to_string();
                let refreshed = world.chatbot(Request::post("/auth/refresh", &refreshed)).await;
                form("/auth/revoke", &format!("token={}", refreshed.field("refresh_token")))
            }
            Way::ReplacedByAnotherProof => {
                let code = self.recovery_codes().await.remove(0);
                let shown = json!({ "recovery_code": code }).to_string();
                Request::post("/auth/mfa/step-up", &shown).bearer(&member.access)
            }
            Way::AnotherPassword => {
                let other = self.elsewhere().await;
                let wanted =
                    json!({ "current_password": member.password, "new_password": "three quiet walruses" });
                Request::post("/auth/password/change", &wanted.to_string()).bearer(&other.access)
            }
            Way::ResetByMail => {
                let wanted = json!({ "token": member.reset, "password": "three quiet walruses" });
                Request::post("/auth/password/reset", &wanted.to_string())
            }
            Way::FactorRemoved => Request::new("DELETE", "/auth/mfa/totp").bearer(&member.access),
            Way::PasskeyRemoved => {
                let path = format!("/auth/mfa/webauthn/{}", member.passkey.as_ref().unwrap().1);
                Request::new("DELETE", &path).bearer(&member.access)
            }
            Way::AnotherRole => {
                let path = format!("/domains/{}/members/{}/role", a.domain, member.id);
                let role = Request::new("PUT", &path).json(r#"{"role":"is_admin"}"#);
                role.bearer(&a.owner.access)
            }
            Way::MemberRemoved | Way::EarlierMemberRemoved => {
                let id = if way == Way::MemberRemoved { &member.id } else { &earlier.0.id };
                let path = format!("/domains/{}/members/{id}", a.domain);
                Request::new("DELETE", &path).bearer(&a.owner.access)
            }
            Way::PersonSuspended => change(&member.id, r#"{"status":"suspended"}"#, &b.admin),
            Way::EarlierSuspended => change(&earlier.0.id, r#"{"status":"suspended"}"#, &b.admin),
            Way::AdminSuspended => change(&a.admin.id, r#"{"status":"suspended"}"#, &b.admin),
            Way::AdminDemoted => change(&a.admin.id, r#"{"super_admin":false}"#, &b.admin),
            Way::PersonRemoved => {
                Request::new("DELETE", &format!("/users/{}", member.id)).bearer(&b.admin.access)
            }
            Way::AdminLoggedOutEverywhere => Request::new("POST", "/auth/logout-all").bearer(&a.admin.access),
            Way::EarlierLoggedOut => Request::new("POST", "/auth/logout").bearer(&earlier.1),
            Way::DomainSuspended | Way::AccountSuspended | Way::SigningKeyWithdrawn => {
                self.end_as_the_operator(way).await;
                return;
            }
        };
        let answer = world.chatbot(request).await;
        assert!(answer.status < 300, "{way:?}: {answer:?}");
    }

    async fn end_as_the_operator(&self, way: Way) {
        let platform = &self.world.operator_platform;
        let domain = self.world.domain(&DomainName::parse(&self.world.a.domain).unwrap()).await;
        match way {
            Way::DomainSuspended => {
                set_domain_status(platform, &operator(), &domain, Status::Suspended).await.unwrap();
            }
            Way::AccountSuspended => {
                let account =
                    platform.stores.accounts.read(operator().scope(), domain.account).await.unwrap();
                set_account_status(platform, &operator(), &account.unwrap(), Status::Suspended)
                    .await
                    .unwrap();
            }
            _ => {
                let keys = SigningKeys::new(Issuer::parse(ISSUER).unwrap(), Arc::new(Place::keyring()));
                let key = SigningKey::generate(Algorithm::EdDsa, platform.entropy.as_ref()).unwrap();
                let granted = grant::<RotateSigningKey, _>(&operator(), &Installation).unwrap();
                let known = platform.stores.signing_keys.list().await.unwrap();
                rotate_signing_key(platform, &keys, &granted, known.last(), &key, Handover::AtOnce)
                    .await
                    .unwrap();
            }
        }
    }

    async fn recovery_codes(&self) -> Vec<String> {
        let codes = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&self.member.access);
        let codes = self.world.chatbot(codes).await.json();
        let codes = codes["recovery_codes"].as_array().unwrap().iter();
        codes.map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// The member in another session, with no time gone by.
    async fn elsewhere(&self) -> Person {
        let code = self.recovery_codes().await.remove(0);
        let pending = self.world.pending(&self.member).await.pending;
        let shown = json!({ "mfa_token": pending, "recovery_code": code }).to_string();
        let answer = self.world.chatbot(Request::post("/auth/mfa/verify", &shown)).await;
        self.world.in_session(&self.member, &answer).await
    }
}

fn change(person: &str, what: &str, by: &Person) -> Request {
    Request::new("PATCH", &format!("/users/{person}")).json(what).bearer(&by.access)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_descends_from_what_has_ended_is_no_good_and_all_else_goes_on() {
    let (once, more): (Vec<_>, Vec<_>) = CHILDREN.into_iter().partition(|child| ONCE.contains(child));
    let mut wrong = Vec::new();
    for (way, ends) in WAYS {
        let world = World::start().await;
        let family = Family::of(&world).await;
        assert_eq!(family.good(&more).await, more.iter().copied().collect(), "{way:?}: at first");
        family.end(way).await;
        let mut good = family.good(&more).await;
        good.extend(family.good(&once).await);
        let ended: BTreeSet<_> = CHILDREN.into_iter().filter(|child| !good.contains(child)).collect();
        let expected: BTreeSet<_> = ends.iter().copied().collect();
        if ended != expected {
            wrong.push(format!("{way:?} ended {ended:?} instead of {expected:?}"));
        }
        // All access tokens are of one key.
        if family.others().await != [true, true, way != Way::SigningKeyWithdrawn] {
            wrong.push(format!("{way:?} ended something of the other tenant"));
        }
        world.end().await;
    }
    assert_eq!(wrong, [""; 0]);
}

/// Every child has a way that ends it and nothing above it, and every way ends something.
#[test]
fn the_ways_name_every_child() {
    let named: BTreeSet<_> = WAYS.iter().flat_map(|(_, ends)| ends.iter().copied()).collect();
    assert_eq!(named, CHILDREN.into_iter().collect());
    assert!(WAYS.iter().all(|(_, ends)| !ends.is_empty()));
}
