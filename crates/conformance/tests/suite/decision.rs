//! Who may do what: the decision, the ceiling and the grant, against plain models made of sets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the decision itself is tested here")]

use auth_core::{
    amr::Amr,
    error::{Denial, FlowError, Refusal},
    flow::{KeyOrder, Platform, change_key, issue_key, rotate_key},
    id::{AccountId, DomainId, KeyId, PersonId, SessionId, TokenId},
    model::{Key, KeyPatch, Set, Version},
    policy::{
        Action, Allows, Assurance, Ceiling, Granted, Need, Networks, Permission, Permissions, Proof,
        Requirement, Rights, Role, Rule, Scope, Verdict, decide, grant, judge,
    },
    port::{CreateKey, RevokeKey, StartCall},
    principal::{
        Caller, KeyPrincipal, Origin, PersonPrincipal, Principal, Tenant, TokenKind, TokenPrincipal,
    },
    service::Service,
    time::{Clock as _, Timestamp},
};
use conformance::{
    ambient::{SeededEntropy, StepClock},
    contract::{
        Fixture,
        fixture::{May, all_rights, everything, granted, hub, name, operator, proof, unbounded},
    },
    place::Place,
    world::prove,
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc, time::Duration};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn caller(who: Option<Principal>) -> Caller {
    Caller { who, origin: Origin { source: None, request_id: "test".to_owned() } }
}

const fn account(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

const fn domain(number: u8) -> DomainId {
    DomainId::from_bytes([number; 16])
}

fn key(service: Service, tenant: Tenant, permissions: Permissions) -> Principal {
    let id = KeyId::from_bytes([1; 16]);
    Principal::Key(KeyPrincipal {
        id,
        service,
        tenant,
        permissions,
        expires_at: None,
        version: Version::FIRST,
    })
}

fn token(kind: TokenKind, account: AccountId, domain: DomainId) -> Principal {
    let (id, expires_at) = (TokenId::from_bytes([2; 16]), Timestamp::MAX);
    Principal::Token(TokenPrincipal { id, kind, account, domain, parent: None, expires_at })
}

// The decision.

fn any_permissions() -> impl Strategy<Value = Permissions> {
    prop::collection::vec(prop::sample::select(Permission::ALL), 0..6)
        .prop_map(|members| members.into_iter().collect())
}

fn any_need() -> impl Strategy<Value = Need> {
    prop_oneof![
        6 => (prop::sample::select(&Service::ALL[..]), prop::sample::select(Permission::ALL))
            .prop_map(|(service, permission)| Need::Key(service, permission)),
        2 => prop::sample::select(&TokenKind::ALL[..]).prop_map(Need::Token),
        3 => (prop::sample::select(&ROLES[..]), prop::sample::select(&ASSURANCES[..]))
            .prop_map(|(roles, assurance)| Need::Person(roles, assurance)),
        1 => Just(Need::Operator),
    ]
}

/// The roles that needs name.
const ROLES: [&[Role]; 4] = [&[], &[Role::Member], &[Role::IsAdmin, Role::DomainOwner], &[Role::SuperAdmin]];
const ASSURANCES: [Assurance; 5] =
    [Assurance::Login, Assurance::Role, Assurance::FreshLogin, Assurance::Mfa, Assurance::FreshMfa];

/// A person who proved themself so long ago.
fn any_person() -> impl Strategy<Value = Principal> {
    let role = prop::option::of(prop::sample::select(&Role::ALL[..]));
    (role, 0_u8..8, 0_u64..2000).prop_map(|(role, amr, seconds)| {
        let auth_time = Timestamp::from_millis(1_800_000_000_000);
        Principal::Person(PersonPrincipal {
            session: SessionId::from_bytes([3; 16]),
            person: PersonId::from_bytes([4; 16]),
            tenant: None,
            role,
            amr: Amr::from_bits(amr).unwrap(),
            auth_time,
            audience: Service::Chatbot,
            expires_at: Timestamp::MAX,
            judged_at: auth_time + Duration::from_secs(seconds),
        })
    })
}

fn any_caller() -> impl Strategy<Value = Option<Principal>> {
    let tenant = Tenant { account: account(1), domain: Some(domain(1)) };
    prop_oneof![
        6 => (prop::sample::select(&Service::ALL[..]), any_permissions())
            .prop_map(move |(service, permissions)| Some(key(service, tenant, permissions))),
        2 => prop::sample::select(&TokenKind::ALL[..])
            .prop_map(|kind| Some(token(kind, account(1), domain(1)))),
        4 => any_person().prop_map(Some),
        1 => Just(Some(operator())),
        1 => Just(None),
    ]
}

/// The model's word for a need.
fn word(need: Need) -> String {
    match need {
        Need::Key(service, permission) => format!("{service} {}", permission.name()),
        Need::Token(kind) => kind.name().to_owned(),
        Need::Person(roles, assurance) => of_person(roles, assurance),
        Need::Operator => "operator".to_owned(),
    }
}

fn of_person(roles: &[Role], assurance: Assurance) -> String {
    format!("a person {roles:?} {assurance:?}")
}

/// Every list of roles that a person is in.
fn lists_of(person: &PersonPrincipal) -> impl Iterator<Item = &'static [Role]> {
    let role = person.role;
    ROLES.into_iter().filter(move |roles| roles.is_empty() || roles.iter().any(|one| Some(*one) == role))
}

/// How strongly a person has proved themself: each way that is met.
fn met_ways(person: &PersonPrincipal) -> Vec<Assurance> {
    let factors = person.amr.bits().count_ones();
    let age = person.judged_at.millis() - person.auth_time.millis();
    let demanding = matches!(person.role, Some(Role::IsAdmin | Role::DomainOwner | Role::SuperAdmin));
    let mut ways = vec![Assurance::Login];
    if factors > 1 || !demanding {
        ways.push(Assurance::Role);
    }
    let fresh = age <= 900_000;
    ways.extend(fresh.then_some(Assurance::FreshLogin));
    ways.extend((factors > 1).then_some(Assurance::Mfa));
    ways.extend((factors > 1 && fresh).then_some(Assurance::FreshMfa));
    ways
}

/// Every need that a caller meets, as a set.
fn met_by(who: Option<&Principal>) -> BTreeSet<String> {
    match who {
        None => BTreeSet::new(),
        Some(Principal::Operator { .. }) => BTreeSet::from(["operator".to_owned()]),
        Some(Principal::Token(token)) => BTreeSet::from([token.kind.name().to_owned()]),
        Some(Principal::Person(person)) => {
            let ways = met_ways(person);
            lists_of(person).flat_map(|roles| ways.iter().map(move |way| of_person(roles, *way))).collect()
        }
        Some(Principal::Key(key)) => {
            key.permissions.names().iter().map(|name| format!("{} {name}", key.service)).collect()
        }
    }
}

fn is_the_right_person(need: Need, who: Option<&Principal>) -> bool {
    match (need, who) {
        (Need::Person(roles, _), Some(Principal::Person(person))) => {
            lists_of(person).any(|list| list == roles)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(config(5000))]

    #[test]
    fn a_caller_is_admitted_who_meets_one_of_the_needs(
        needs in prop::collection::vec(any_need(), 0..4),
        who in any_caller(),
    ) {
        let needs: &'static [Need] = needs.leak();
        let met = met_by(who.as_ref());
        let wanted = match needs.iter().find(|need| met.contains(&word(**need))) {
            Some(need) => Verdict::Met(*need),
            None if who.is_none() => Verdict::NoCredential,
            None => match needs.iter().find(|need| is_the_right_person(**need, who.as_ref())) {
                Some(Need::Person(_, proof)) => Verdict::StepUp(*proof),
                _ => Verdict::Lacking(needs),
            },
        };
        prop_assert_eq!(judge(Rule::AnyOf(needs), who.as_ref()), wanted);
        prop_assert_eq!(judge(Rule::Public { because: "a test" }, who.as_ref()), Verdict::Public);
    }
}

macro_rules! requirement {
    ($name:ident, $subject:ty, $rule:expr) => {
        struct $name;
        impl Requirement for $name {
            const RULE: Rule = $rule;
            type Subject = $subject;
        }
        impl<A: Action> Allows<A> for $name {}
    };
}
const CALLS: &[Need] = &[Need::Key(Service::Hub, Permission::CallManagement)];
requirement!(Anybody, Principal, Rule::Public { because: "a test" });
requirement!(Nobody, Principal, Rule::AnyOf(&[]));
requirement!(ForCalls, KeyPrincipal, Rule::AnyOf(CALLS));
requirement!(ForTokens, KeyPrincipal, Rule::AnyOf(&[Need::Token(TokenKind::Temp)]));

fn outcome<R: Requirement>(who: Option<Principal>) -> Result<(), Denial> {
    decide::<R>(&caller(who)).map(|_| ())
}

#[test]
fn a_proof_is_made_of_an_admitted_caller_alone() {
    let tenant = Tenant { account: account(1), domain: None };
    let every: Permissions = Permission::ALL.iter().copied().collect();
    let calls = key(Service::Hub, tenant, [Permission::CallManagement].into_iter().collect());
    let forbidden = |missing| Err(Denial::Forbidden { missing });
    assert_eq!(outcome::<ForCalls>(Some(calls)), Ok(()));
    assert_eq!(outcome::<ForCalls>(None), Err(Denial::Unauthenticated(Refusal::NoCredential)));
    let others = Permissions::all_of(Service::Hub).beyond([Permission::CallManagement].into_iter().collect());
    for who in [
        key(Service::Hub, tenant, others),
        key(Service::Hub, tenant, Permissions::NONE),
        key(Service::Chatbot, tenant, every),
        token(TokenKind::Temp, account(1), domain(1)),
        operator(),
    ] {
        assert_eq!(outcome::<ForCalls>(Some(who)), forbidden(CALLS), "{who}");
        assert_eq!(outcome::<Nobody>(Some(who)), forbidden(&[]), "an empty rule admits nobody");
    }
    let temp = Some(token(TokenKind::Temp, account(1), domain(1)));
    assert_eq!(outcome::<ForTokens>(temp), forbidden(&[]), "a rule that contradicts its handler");
}

// The ceiling.

/// Networks among 16 addresses, each as its addresses.
#[derive(Debug, Clone)]
struct Nets(Vec<(u8, u8)>);

impl Nets {
    fn real(&self) -> Networks {
        let texts: Vec<_> = self.0.iter().map(|(first, bits)| format!("10.0.0.{first}/{bits}")).collect();
        Networks::from_stored(&texts.join(" ")).unwrap()
    }
    fn addresses((first, bits): (u8, u8)) -> BTreeSet<u8> {
        let size = 1 << (32 - bits);
        let start = first / size * size;
        (start..start + size).collect()
    }
    fn holds(&self, address: u8) -> bool {
        self.0.is_empty() || self.0.iter().any(|net| Self::addresses(*net).contains(&address))
    }
    /// Each network lies in one of the other's.
    fn within(&self, other: &Self) -> bool {
        let inside =
            |net| other.0.iter().any(|theirs| Self::addresses(net).is_subset(&Self::addresses(*theirs)));
        other.0.is_empty() || (!self.0.is_empty() && self.0.iter().copied().all(inside))
    }
}

/// Rights, as the model has them.
#[derive(Debug, Clone)]
struct Model {
    permissions: BTreeSet<&'static str>,
    /// Hours from the start of the clock.
    end: Option<u64>,
    networks: Nets,
    rate: Option<u32>,
}

impl Model {
    fn real(&self) -> Rights {
        let start = StepClock::default().now();
        Rights {
            permissions: self.permissions.iter().filter_map(|name| Permission::parse(name)).collect(),
            expires_at: self.end.map(|hours| start + Duration::from_secs(hours * 3600)),
            networks: self.networks.real(),
            rate_limit: self.rate.and_then(NonZeroU32::new),
        }
    }
    /// Whether they are no more than the other's.
    fn within(&self, other: &Self) -> bool {
        let ends = other.end.is_none_or(|most| self.end.is_some_and(|end| end <= most));
        let rates = other.rate.is_none_or(|most| self.rate.is_some_and(|rate| rate <= most));
        self.permissions.is_subset(&other.permissions)
            && ends
            && rates
            && self.networks.within(&other.networks)
    }
}

fn any_nets() -> impl Strategy<Value = Nets> {
    prop::collection::vec((0..16_u8, 28..=32_u8), 0..3).prop_map(Nets)
}

/// Rights over few values, so that comparisons often come out equal.
fn any_rights() -> impl Strategy<Value = Model> {
    let names = Permissions::all_of(Service::Hub).names();
    (
        prop::collection::btree_set(prop::sample::select(names), 0..5),
        prop::option::of(1..4_u64),
        any_nets(),
        prop::option::of(1..4_u32),
    )
        .prop_map(|(permissions, end, networks, rate)| Model { permissions, end, networks, rate })
}

/// Two rights of which the second is often within the first.
fn two_rights() -> impl Strategy<Value = (Model, Model)> {
    (any_rights(), any_rights(), any::<[bool; 4]>()).prop_map(|(own, mut wanted, keep)| {
        if keep[0] {
            wanted.permissions = wanted.permissions.intersection(&own.permissions).copied().collect();
        }
        if keep[1] {
            wanted.end = own.end;
        }
        if keep[2] {
            wanted.networks = own.networks.clone();
        }
        if keep[3] {
            wanted.rate = own.rate;
        }
        (own, wanted)
    })
}

proptest! {
    #![proptest_config(config(5000))]

    #[test]
    fn networks_hold_and_cover_what_their_addresses_say(one in any_nets(), two in any_nets()) {
        for address in 0..16_u8 {
            let text = format!("10.0.0.{address}");
            prop_assert_eq!(one.real().contains(text.parse().unwrap()), one.holds(address));
            let mapped = format!("::ffff:{text}");
            prop_assert_eq!(one.real().contains(mapped.parse().unwrap()), one.holds(address));
        }
        prop_assert_eq!(one.real().within(&two.real()), one.within(&two));
        if one.within(&two) {
            prop_assert!((0..16).all(|address| !one.holds(address) || two.holds(address)));
        }
        prop_assert_eq!(Networks::from_stored(&one.real().to_stored()), Ok(one.real()));
    }

    #[test]
    fn a_ceiling_covers_what_is_no_more((own, wanted) in two_rights()) {
        let (id, version) = (KeyId::from_bytes([1; 16]), Version::FIRST);
        let ceiling = Ceiling::of_key(own.real(), id, version);
        prop_assert_eq!(ceiling.covers(&wanted.real()).is_ok(), wanted.within(&own));
        match ceiling.bound(wanted.real()) {
            Ok(bounded) => {
                prop_assert!(wanted.within(&own));
                prop_assert_eq!((bounded.rights(), bounded.maker()), (&wanted.real(), Some((id, version))));
            }
            Err(_) => prop_assert!(!wanted.within(&own)),
        }
        prop_assert!(ceiling.covers(&own.real()).is_ok(), "it covers itself");
        let free = Ceiling::NONE.bound(wanted.real()).unwrap();
        prop_assert_eq!((free.rights(), free.maker()), (&wanted.real(), None));
    }
}

/// The core of the Hub on a store of its own, with one account.
struct Desk {
    runtime: tokio::runtime::Runtime,
    platform: Platform,
    fixture: Fixture,
    tenant: Tenant,
}

impl Desk {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let place = runtime.block_on(Place::fresh());
        let stores = runtime.block_on(place.open());
        let fixture = Fixture::new(stores.clone(), stores.clone(), Place::chain(), Some(place));
        let tenant = runtime.block_on(async { hub(&fixture.account().await) });
        let (clock, entropy) = (Arc::new(StepClock::default()), Arc::new(SeededEntropy::new(1)));
        let platform = Platform::new(Service::Hub, stores, clock, entropy);
        Self { runtime, platform, fixture, tenant }
    }

    /// A key with these rights, made by the operator.
    async fn key(&self, rights: Rights) -> Key {
        let new =
            auth_core::model::NewKey { rights: unbounded(rights), ..self.fixture.new_key(Service::Hub) };
        let id = new.id;
        let grant = granted::<CreateKey>(&self.tenant);
        self.platform.stores.keys.create(&grant, new, None).await.unwrap();
        self.read(id).await
    }

    async fn read(&self, id: KeyId) -> Key {
        self.platform.stores.keys.read(Service::Hub, everything(), id).await.unwrap().unwrap()
    }
}

/// The proof of the bearer of a key, at a route that asks for nothing.
fn bearer_of(key: &Key) -> Proof<'static, Anybody> {
    prove(Principal::Key(KeyPrincipal {
        id: key.id,
        service: key.service,
        tenant: key.tenant,
        permissions: key.rights.permissions,
        expires_at: key.rights.expires_at,
        version: key.version,
    }))
}

fn is_excess<T>(done: &Result<T, FlowError>) -> bool {
    matches!(done, Err(FlowError::Denied(Denial::Excess(_))))
}

#[test]
fn a_key_never_makes_changes_or_rotates_a_key_into_more_than_itself() {
    let desk = Desk::open();
    let strategy = (two_rights(), any_rights());
    let checked = TestRunner::new(config(300)).run(&strategy, |((own, wanted), now)| {
        desk.runtime.block_on(async {
            let maker = desk.key(own.real()).await;
            let proof = bearer_of(&maker);
            let order = KeyOrder { service: Service::Hub, name: name("made"), rights: wanted.real() };
            let grant = Granted::<CreateKey>::own(&proof).ok().unwrap();
            let made = issue_key(&desk.platform, &proof, &grant, order, |_| None).await;
            assert_eq!(is_excess(&made), !wanted.within(&own));
            assert_eq!(made.is_ok(), wanted.within(&own));
            if let Ok(made) = made {
                assert_eq!(desk.read(made.id).await.rights, wanted.real());
            }

            let target = desk.key(now.real()).await;
            let real = wanted.real();
            let patch = KeyPatch {
                name: Set::To(name("changed")),
                permissions: Set::To(real.permissions),
                expires_at: Set::To(real.expires_at),
                networks: Set::To(real.networks.clone()),
                rate_limit: Set::To(real.rate_limit),
            };
            let changed = change_key(&desk.platform, &proof, Service::Hub, target.id, &patch).await;
            assert_eq!(is_excess(&changed), !(now.within(&own) && wanted.within(&own)));
            assert_ne!(changed.is_ok(), is_excess(&changed));
            let rights = if changed.is_ok() { real } else { now.real() };
            assert_eq!(desk.read(target.id).await.rights, rights);

            let other = desk.key(now.real()).await;
            let rotated = rotate_key(&desk.platform, &proof, Service::Hub, other.id, Duration::ZERO).await;
            assert_eq!(is_excess(&rotated), !now.within(&own));
            assert_ne!(rotated.is_ok(), is_excess(&rotated));
            assert_eq!(desk.read(other.id).await.version == other.version, rotated.is_err());
        });
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_key_that_was_rotated_since_it_was_judged_makes_nothing() {
    let desk = Desk::open();
    desk.runtime.block_on(async {
        let maker = desk.key(all_rights(Service::Hub)).await;
        let judged = bearer_of(&maker);
        let by_operator: Proof<'_, May> = proof(operator());
        let rotate = async |overlap| {
            rotate_key(&desk.platform, &by_operator, Service::Hub, maker.id, overlap).await.unwrap().key
        };
        for overlap in [Duration::ZERO, Duration::from_secs(60)] {
            let rotated = rotate(overlap).await;
            let order =
                || KeyOrder { service: Service::Hub, name: name("made"), rights: all_rights(Service::Hub) };
            let grant = Granted::<CreateKey>::own(&judged).ok().unwrap();
            let made = issue_key(&desk.platform, &judged, &grant, order(), |_| None).await;
            assert!(matches!(made, Err(FlowError::Conflict(_))), "{made:?}");
            let patch = KeyPatch { name: Set::To(name("changed")), ..KeyPatch::default() };
            let changed = change_key(&desk.platform, &judged, Service::Hub, maker.id, &patch).await;
            assert!(matches!(changed, Err(FlowError::Conflict(_))), "{changed:?}");
            let again = rotate_key(&desk.platform, &judged, Service::Hub, maker.id, Duration::ZERO).await;
            assert!(matches!(again, Err(FlowError::Conflict(_))), "{again:?}");
            assert_eq!(desk.read(maker.id).await, rotated, "nothing was changed");
        }
    });
}

// The grant.

/// Two accounts; the first has two domains, the second one.
fn tenants() -> [Tenant; 5] {
    let tenant = |number, of: Option<u8>| Tenant { account: account(number), domain: of.map(domain) };
    [tenant(1, None), tenant(1, Some(11)), tenant(1, Some(12)), tenant(2, None), tenant(2, Some(21))]
}

/// Every kind of caller, with the tenants whose objects are its own, by their places in [`tenants`].
fn callers() -> Vec<(Principal, BTreeSet<usize>)> {
    let all = [Permissions::all_of(Service::Hub), Permissions::all_of(Service::Chatbot)];
    let [one, first, second, two, third] = tenants();
    let mut callers = vec![
        (operator(), BTreeSet::from([0, 1, 2, 3, 4])),
        (key(Service::Hub, one, all[0]), BTreeSet::from([0, 1, 2])),
        (key(Service::Hub, two, all[0]), BTreeSet::from([3, 4])),
        (key(Service::Chatbot, first, all[1]), BTreeSet::from([1])),
        (key(Service::Chatbot, second, all[1]), BTreeSet::from([2])),
        (key(Service::Chatbot, third, all[1]), BTreeSet::from([4])),
        // Which no store gives out: a key of the chatbot service without a domain.
        (key(Service::Chatbot, one, all[1]), BTreeSet::new()),
    ];
    for kind in TokenKind::ALL {
        callers.push((token(kind, account(1), domain(11)), BTreeSet::from([1])));
    }
    callers
}

fn key_of(tenant: Tenant) -> Key {
    Key {
        id: KeyId::from_bytes([9; 16]),
        service: if tenant.domain.is_some() { Service::Chatbot } else { Service::Hub },
        tenant,
        name: name("key"),
        prefix: String::new(),
        rights: all_rights(Service::Hub),
        created_at: Timestamp::EPOCH,
        use_count: 0,
        last_used_at: None,
        revoked_at: None,
        version: Version::FIRST,
    }
}

#[test]
fn a_grant_is_made_within_the_callers_tenant_alone() {
    for (who, own) in callers() {
        let caller = caller(Some(who));
        let proof: Proof<'_, Anybody> = decide(&caller).ok().unwrap();
        for (at, tenant) in tenants().into_iter().enumerate() {
            let granted = grant::<RevokeKey, _>(&proof, &key_of(tenant));
            assert_eq!(granted.is_ok(), own.contains(&at), "{who} on {tenant:?}");
            if let Ok(granted) = granted {
                assert_eq!(granted.target(), key_of(tenant).id);
                assert_eq!((granted.tenant(), granted.who()), (Some(tenant), Some(&who)));
            }
            assert_eq!(proof.scope().covers(Some(tenant)), own.contains(&at));
        }
        assert_eq!(proof.scope().covers(None), who == operator(), "what is nobody's is the operator's");
    }
}

#[test]
fn who_is_nobody_is_granted_nothing() {
    for tenant in tenants() {
        assert!(!Scope::of(None).covers(Some(tenant)));
    }
    assert!(!Scope::of(None).covers(None));
    let whole: Proof<'_, May> = proof(operator());
    assert!(Granted::<StartCall>::own(&whole).is_err(), "the operator has no tenant of its own");
    for (who, _) in callers() {
        let caller = caller(Some(who));
        let proof: Proof<'_, Anybody> = decide(&caller).ok().unwrap();
        let own = Granted::<StartCall>::own(&proof).ok().map(|granted| granted.target());
        assert_eq!(own, who.tenant(), "the target is what the credential names");
    }
}
