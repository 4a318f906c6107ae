//! Members of domains, and who asks to be one.

use super::{
    cases,
    fixture::{
        ALL, Fixture, May, RACE, bearer, chatbot, count, everything, granted, operator, page, proof, scope_of,
    },
    fixture_people::{begun, open},
};
use auth_core::{
    id::PersonId,
    model::{
        Applicant, Domain, DomainPatch, Joining, Login, Member, MemberId, Session, Set, Status, Version,
    },
    policy::{Action, GivenRole, Granted, Role, give, grant},
    port::{
        About, AdmitMember, Change, ChangeDomain, ChangeRole, Creation, DeclineApplicant, Notice, Register,
        RemoveMember,
    },
    principal::Principal,
};

cases! {
    "members":
    who_asked_is_seen_by_the_domain_and_admitted_once,
    of_many_who_admit_one_does,
    who_did_not_ask_is_admitted_by_the_platform_alone,
    who_is_declined_has_not_asked,
    an_open_domain_takes_who_registers,
    a_domain_that_is_not_in_use_takes_nobody,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    another_role_ends_the_sessions_of_that_domain_alone,
    who_is_removed_has_no_session_of_that_domain,
    who_has_lost_their_role_changes_nobody,
}

/// A role, as the operator gives it.
pub(super) fn given(role: Role) -> GivenRole {
    give(&proof(operator()), role).unwrap()
}

/// What a person may do in a session.
fn by<A: Action>(session: &Session, object: &A::Object) -> Granted<A> {
    grant::<A, May>(&proof(Principal::Person(session.principal())), object).ok().unwrap()
}

impl Fixture {
    /// Registers somebody who asks to be a member of a domain.
    async fn asking(&self, address: &str, domain: &Domain) -> Login {
        let new = auth_core::model::NewPerson { asks: Some(domain.id), ..self.new_person(address) };
        let address = new.address.clone();
        let made = self.stores.people.register(&open::<Register>(), new).await.unwrap();
        assert_eq!(made, Creation::Done(()));
        self.stores.people.by_address(&address).await.unwrap().unwrap()
    }

    async fn applicant(&self, domain: &Domain, person: PersonId) -> Option<Applicant> {
        self.peer.members.applicant(everything(), domain.id, person).await.unwrap()
    }

    async fn member(&self, domain: &Domain, person: PersonId) -> Option<Member> {
        self.peer.members.read(everything(), domain.id, person).await.unwrap()
    }

    /// Somebody with a role in a domain, in a session of it.
    async fn in_role(&self, address: &str, domain: &Domain, role: Role) -> (Login, Session) {
        let login = self.person(address).await;
        self.join(domain, login.person.id, role).await;
        let login = self.stores.people.by_address(&login.person.address).await.unwrap().unwrap();
        let place = login.memberships.iter().find(|one| one.domain == domain.id);
        let (session, _) = self.begin(&login, place).await;
        (login, session)
    }

    async fn has_ended(&self, session: &Session) -> bool {
        self.peer.sessions.find(session.id).await.unwrap().unwrap().ended
    }
}

async fn who_asked_is_seen_by_the_domain_and_admitted_once(fixture: &Fixture) {
    let account = fixture.account().await;
    let (domain, other) = (fixture.domain(&account).await, fixture.domain(&account).await);
    fixture.look_away().await;
    let login = fixture.asking("alice@example.com", &domain).await;
    assert_eq!(fixture.told().await, ["person.registered", "member.asked"]);
    let person = login.person.id;
    let (own, foreign) = (scope_of(chatbot(&domain)), scope_of(chatbot(&other)));
    let members = &fixture.peer.members;
    let asked = members.applicants(own, domain.id, ALL).await.unwrap();
    let [applicant] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(applicant.id, MemberId { domain: domain.id, person });
    assert_eq!((applicant.tenant, &applicant.address), (chatbot(&domain), &login.person.address));
    assert_eq!((applicant.is_verified, applicant.asked_at), (false, Some(login.person.created_at)));
    assert_eq!(members.applicant(own, domain.id, person).await.unwrap().as_ref(), Some(applicant));
    for scope in [foreign, auth_core::policy::Scope::of(None)] {
        assert_eq!(members.applicants(scope, domain.id, ALL).await.unwrap(), []);
        assert_eq!(members.applicant(scope, domain.id, person).await.unwrap(), None);
    }
    assert_eq!(members.applicants(everything(), other.id, ALL).await.unwrap(), []);

    let grant = grant::<AdmitMember, May>(&proof(bearer(chatbot(&domain))), applicant).ok().unwrap();
    let at = fixture.at();
    let admit = async || fixture.stores.members.admit(&grant, given(Role::IsAdmin), at).await.unwrap();
    assert_eq!(admit().await, Change::Done(()));
    assert_eq!(fixture.told().await, ["member.admitted"]);
    let member = members.read(own, domain.id, person).await.unwrap().unwrap();
    assert_eq!((member.id, member.tenant, member.role), (applicant.id, chatbot(&domain), Role::IsAdmin));
    assert_eq!((member.created_at, member.version), (at, Version::FIRST));
    assert_eq!((&member.address, &member.name), (&login.person.address, &login.person.name));
    assert_eq!(members.list(own, domain.id, ALL).await.unwrap(), [member]);
    assert_eq!(members.applicants(own, domain.id, ALL).await.unwrap(), []);
    for scope in [foreign, auth_core::policy::Scope::of(None)] {
        assert_eq!(members.read(scope, domain.id, person).await.unwrap(), None);
        assert_eq!(members.list(scope, domain.id, ALL).await.unwrap(), []);
    }
    assert_eq!(admit().await, Change::Stale, "they asked once");
    let again = granted::<AdmitMember>(applicant);
    let again = fixture.stores.members.admit(&again, given(Role::Member), fixture.at()).await.unwrap();
    assert_eq!(again, Change::Taken);
    fixture.assert_silent("nothing was changed").await;
    assert_eq!(fixture.member(&domain, person).await.unwrap().role, Role::IsAdmin);
}

async fn of_many_who_admit_one_does(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let person = fixture.asking("alice@example.com", &domain).await.person.id;
    let applicant = fixture.applicant(&domain, person).await.unwrap();
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let proof = proof(bearer(chatbot(&domain)));
            let grant = grant::<AdmitMember, May>(&proof, &applicant).ok().unwrap();
            async move { stores.members.admit(&grant, given(Role::Member), at).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Change::Done(())), count(&answers, &Change::Stale)), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["member.admitted"]);
}

async fn who_did_not_ask_is_admitted_by_the_platform_alone(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let person = fixture.person("alice@example.com").await.person.id;
    let own = scope_of(chatbot(&domain));
    assert_eq!(fixture.peer.members.applicant(own, domain.id, person).await.unwrap(), None);
    let applicant = fixture.applicant(&domain, person).await.unwrap();
    assert_eq!(applicant.asked_at, None);
    fixture.look_away().await;
    let owners = grant::<AdmitMember, May>(&proof(bearer(chatbot(&domain))), &applicant).ok().unwrap();
    let refused = fixture.stores.members.admit(&owners, given(Role::Member), fixture.at()).await.unwrap();
    assert_eq!(refused, Change::Stale);
    fixture.assert_silent("they did not ask").await;
    let grant = granted::<AdmitMember>(&applicant);
    let made = fixture.stores.members.admit(&grant, given(Role::DomainOwner), fixture.at()).await.unwrap();
    assert_eq!(made, Change::Done(()));
    assert_eq!(fixture.member(&domain, person).await.unwrap().role, Role::DomainOwner);
    assert_eq!(fixture.applicant(&domain, person).await, None, "who is a member is no applicant");
}

async fn who_is_declined_has_not_asked(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let person = fixture.asking("alice@example.com", &domain).await.person.id;
    let applicant = fixture.applicant(&domain, person).await.unwrap();
    fixture.look_away().await;
    let grant = granted::<DeclineApplicant>(&applicant);
    let decline = async || fixture.stores.members.decline(&grant, fixture.at()).await.unwrap();
    assert_eq!(decline().await, Change::Done(()));
    assert_eq!(fixture.told().await, ["member.declined"]);
    assert_eq!(decline().await, Change::Stale);
    let own = scope_of(chatbot(&domain));
    assert_eq!(fixture.peer.members.applicant(own, domain.id, person).await.unwrap(), None);
    assert_eq!(fixture.member(&domain, person).await, None);
    fixture.assert_silent("they do not ask any more").await;
}

async fn open_domain(fixture: &Fixture) -> Domain {
    let domain = fixture.domain(&fixture.account().await).await;
    let patch = DomainPatch { joining: Set::To(Joining::Open), ..DomainPatch::default() };
    let grant = granted::<ChangeDomain>(&domain);
    fixture.stores.domains.change(&grant, domain.version, patch, fixture.at()).await.unwrap();
    domain
}

async fn an_open_domain_takes_who_registers(fixture: &Fixture) {
    let domain = open_domain(fixture).await;
    let login = fixture.asking("alice@example.com", &domain).await;
    let member = fixture.member(&domain, login.person.id).await.unwrap();
    assert_eq!((member.role, member.created_at), (Role::Member, login.person.created_at));
    assert_eq!(fixture.peer.members.applicants(everything(), domain.id, ALL).await.unwrap(), []);
    assert_eq!(login.memberships.iter().map(|one| one.role).collect::<Vec<_>>(), [Role::Member]);
}

async fn a_domain_that_is_not_in_use_takes_nobody(fixture: &Fixture) {
    let (open, closed) = (open_domain(fixture).await, fixture.domain(&fixture.account().await).await);
    for domain in [&open, &closed] {
        fixture.suspend_domain(domain, Status::Suspended).await;
    }
    let mut login = fixture.asking("alice@example.com", &open).await;
    assert_eq!(fixture.member(&open, login.person.id).await, None);
    login = fixture.asking("bob@example.com", &closed).await;
    assert_eq!(fixture.applicant(&closed, login.person.id).await.unwrap().asked_at, None);
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let account = fixture.account().await;
    let (domain, other) = (fixture.domain(&account).await, fixture.domain(&account).await);
    let (mut members, mut asking) = (Vec::new(), Vec::new());
    for number in 0..7 {
        let login = fixture.person(&format!("m{number}@example.com")).await;
        fixture.join(&domain, login.person.id, Role::Member).await;
        members.insert(0, login.person.id);
        asking.insert(0, fixture.asking(&format!("a{number}@example.com"), &domain).await.person.id);
        fixture.asking(&format!("b{number}@example.com"), &other).await;
    }
    let stores = &fixture.peer.members;
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = stores.list(everything(), domain.id, page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.person.as_bytes());
        paged.extend(part.iter().map(|one| one.id.person));
    }
    assert_eq!(paged, members);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = stores.applicants(everything(), domain.id, page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.person.as_bytes());
        paged.extend(part.iter().map(|one| one.id.person));
    }
    assert_eq!(paged, asking);
}

/// A member of two domains, in a session of each and one of none.
async fn in_three(fixture: &Fixture) -> (Domain, Member, [Session; 3]) {
    let account = fixture.account().await;
    let (domain, other) = (fixture.domain(&account).await, fixture.domain(&account).await);
    let (login, first) = fixture.in_role("alice@example.com", &domain, Role::Member).await;
    fixture.join(&other, login.person.id, Role::Member).await;
    let login = fixture.stores.people.by_address(&login.person.address).await.unwrap().unwrap();
    let place = login.memberships.iter().find(|one| one.domain == other.id);
    let (second, _) = fixture.begin(&login, place).await;
    let (third, _) = begun(fixture, &login).await;
    let member = fixture.member(&domain, login.person.id).await.unwrap();
    fixture.look_away().await;
    (domain, member, [first, second, third])
}

async fn another_role_ends_the_sessions_of_that_domain_alone(fixture: &Fixture) {
    let (domain, member, [own, other, of_none]) = in_three(fixture).await;
    let grant = granted::<ChangeRole>(&member);
    let change = async |role| {
        let members = &fixture.stores.members;
        members.change_role(&grant, member.version, given(role), fixture.at()).await.unwrap()
    };
    let Change::Done(seq) = change(Role::IsAdmin).await else { panic!("not changed") };
    assert_eq!(fixture.told().await, ["member.role_changed"]);
    let notice = Notice { seq, about: About::Person(member.id.person), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    let ended =
        [fixture.has_ended(&own).await, fixture.has_ended(&other).await, fixture.has_ended(&of_none).await];
    assert_eq!(ended, [true, false, false]);
    let now = fixture.member(&domain, member.id.person).await.unwrap();
    assert_eq!((now.role, now.version), (Role::IsAdmin, member.version.next()));
    assert_eq!(change(Role::Member).await, Change::Stale, "it is at another version");
    fixture.assert_silent("nothing was changed").await;
    // The role that it was back again is no session back again.
    let back = fixture.stores.members.change_role(&grant, now.version, given(Role::Member), fixture.at());
    assert!(matches!(back.await.unwrap(), Change::Done(_)));
    assert!(fixture.has_ended(&own).await, "a session that was ended is ended");
}

async fn who_is_removed_has_no_session_of_that_domain(fixture: &Fixture) {
    let (domain, member, [own, other, of_none]) = in_three(fixture).await;
    let grant = granted::<RemoveMember>(&member);
    let remove = async |version| fixture.stores.members.remove(&grant, version, fixture.at()).await.unwrap();
    assert_eq!(remove(member.version.next()).await, Change::Stale, "another version");
    fixture.assert_silent("nothing was changed").await;
    let Change::Done(seq) = remove(member.version).await else { panic!("not removed") };
    assert_eq!(fixture.told().await, ["member.removed"]);
    let notice = Notice { seq, about: About::Person(member.id.person), ended: false };
    assert_eq!(fixture.announced().await, [notice]);
    let ended =
        [fixture.has_ended(&own).await, fixture.has_ended(&other).await, fixture.has_ended(&of_none).await];
    assert_eq!(ended, [true, false, false]);
    assert_eq!(fixture.member(&domain, member.id.person).await, None);
    assert_eq!(remove(member.version).await, Change::Stale, "they are none");
    fixture.assert_silent("nothing was changed").await;
}

async fn who_has_lost_their_role_changes_nobody(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let (owner, session) = fixture.in_role("alice@example.com", &domain, Role::DomainOwner).await;
    let (bob, _) = fixture.in_role("bob@example.com", &domain, Role::Member).await;
    let asking = fixture.asking("carol@example.com", &domain).await;
    let applicant = fixture.applicant(&domain, asking.person.id).await.unwrap();
    let member = fixture.member(&domain, bob.person.id).await.unwrap();
    let standing = fixture.member(&domain, owner.person.id).await.unwrap();
    let demoted = granted::<ChangeRole>(&standing);
    let members = &fixture.stores.members;
    let demoted = members.change_role(&demoted, standing.version, given(Role::Member), fixture.at()).await;
    assert!(matches!(demoted.unwrap(), Change::Done(_)));
    fixture.look_away().await;
    let (at, version, role) = (fixture.at(), member.version, given(Role::DomainOwner));
    let admit = members.admit(&by::<AdmitMember>(&session, &applicant), role, at).await.unwrap();
    let decline = members.decline(&by::<DeclineApplicant>(&session, &applicant), at).await.unwrap();
    let change = members.change_role(&by::<ChangeRole>(&session, &member), version, role, at).await.unwrap();
    let remove = members.remove(&by::<RemoveMember>(&session, &member), version, at).await.unwrap();
    assert_eq!(
        (admit, decline, change, remove),
        (Change::Stale, Change::Stale, Change::Stale, Change::Stale)
    );
    let settings = by::<ChangeDomain>(&session, &domain);
    let patch = DomainPatch { joining: Set::To(Joining::Open), ..DomainPatch::default() };
    let changed = fixture.stores.domains.change(&settings, domain.version, patch, at).await.unwrap();
    assert_eq!(changed, Change::Stale);
    fixture.assert_silent("nobody was changed").await;
    assert_eq!(fixture.member(&domain, bob.person.id).await, Some(member));
    assert_eq!(fixture.applicant(&domain, asking.person.id).await, Some(applicant));
}
