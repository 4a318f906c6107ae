//! Domains.

use super::{
    cases,
    fixture::{ALL, Fixture, RACE, chatbot, count, everything, granted, hub, once, page, scope_of},
};
use auth_core::{
    model::{Account, Domain, DomainOwner, DomainPatch, Joining, Set, Status, Version, WebOrigin},
    policy::{Granted, Scope},
    port::{About, Change, ChangeDomain, CreateDomain, Creation, Notice, SuspendAccount, SuspendDomain},
};

cases! {
    "domains":
    one_opening_reads_what_another_made,
    a_scope_holds_what_is_its_own,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    a_name_is_taken_once_over_all_accounts,
    of_many_makers_of_one_name_one_makes_it,
    a_domain_is_made_once_for_one_request,
    a_change_is_made_at_the_version_that_was_read,
    how_people_join_is_changed_apart_from_the_pages,
    pages_are_listed_exactly_as_they_are_written,
    suspending_and_reviving_are_announced,
    a_page_finds_no_domain_that_is_not_in_use,
}

fn making(account: &Account) -> Granted<CreateDomain> {
    granted(&DomainOwner::of(account))
}

fn origins(texts: &[&str]) -> Vec<WebOrigin> {
    texts.iter().map(|text| WebOrigin::parse(text).unwrap()).collect()
}

async fn list_pages(fixture: &Fixture, domain: &Domain, texts: &[&str]) -> Domain {
    let patch = DomainPatch { origins: Set::To(origins(texts)), ..DomainPatch::default() };
    let grant = granted::<ChangeDomain>(domain);
    match fixture.stores.domains.change(&grant, domain.version, patch, fixture.at()).await.unwrap() {
        Change::Done(changed) => changed,
        other => panic!("not changed: {other:?}"),
    }
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    let account = fixture.account().await;
    fixture.look_away().await;
    let domain = fixture.domain(&account).await;
    assert_eq!(fixture.told().await, ["domain.created"]);
    assert_eq!((domain.account, domain.status, domain.version), (account.id, Status::Active, Version::FIRST));
    assert_eq!(domain.origins, []);
    let domains = &fixture.peer.domains;
    let found = [
        domains.read(everything(), domain.id).await.unwrap(),
        domains.by_name(everything(), &domain.name).await.unwrap(),
        domains.widget_home(&domain.name).await.unwrap(),
    ];
    assert_eq!(found, [Some(domain.clone()), Some(domain.clone()), Some(domain)]);
    let unknown = fixture.new_domain(None).name;
    assert_eq!(domains.widget_home(&unknown).await.unwrap(), None);
}

async fn a_scope_holds_what_is_its_own(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let first = fixture.domain(&own).await;
    let second = fixture.domain(&own).await;
    let foreign = fixture.domain(&other).await;
    let domains = &fixture.stores.domains;
    for (scope, seen) in [
        (scope_of(hub(&own)), vec![&second, &first]),
        (scope_of(chatbot(&first)), vec![&first]),
        (scope_of(hub(&other)), vec![&foreign]),
        (Scope::of(None), vec![]),
    ] {
        let listed = domains.list(scope, ALL).await.unwrap();
        assert_eq!(listed.iter().collect::<Vec<_>>(), seen);
        for domain in [&first, &second, &foreign] {
            let wanted = seen.contains(&domain).then(|| domain.clone());
            assert_eq!(domains.read(scope, domain.id).await.unwrap(), wanted);
            assert_eq!(domains.by_name(scope, &domain.name).await.unwrap(), wanted);
        }
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let account = fixture.account().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, fixture.domain(&account).await);
    }
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = fixture.peer.domains.list(scope_of(hub(&account)), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part);
    }
    assert_eq!(paged, made);
}

async fn a_name_is_taken_once_over_all_accounts(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let first = fixture.domain(&own).await;
    fixture.look_away().await;
    for account in [&own, &other] {
        let again = fixture.new_domain(Some(first.name.as_str()));
        let id = again.id;
        let made = fixture.peer.domains.create(&making(account), again, None).await.unwrap();
        assert_eq!(made, Creation::Taken);
        assert_eq!(fixture.stores.domains.read(everything(), id).await.unwrap(), None);
    }
    fixture.assert_silent("a taken name").await;
    assert_eq!(fixture.stores.domains.by_name(everything(), &first.name).await.unwrap(), Some(first));
}

async fn of_many_makers_of_one_name_one_makes_it(fixture: &Fixture) {
    let owners = [fixture.account().await, fixture.account().await];
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |number, stores| {
            let grant = making(&owners[number / 2 % 2]);
            let new = fixture.new_domain(Some("one.example"));
            async move { stores.domains.create(&grant, new, None).await.unwrap() }
        })
        .await;
    assert_eq!((count(&answers, &Creation::Done(())), count(&answers, &Creation::Taken)), (1, RACE - 1));
    assert_eq!(fixture.told().await, ["domain.created"]);
    assert_eq!(fixture.peer.domains.list(everything(), ALL).await.unwrap().len(), 1);
}

async fn a_domain_is_made_once_for_one_request(fixture: &Fixture) {
    let account = fixture.account().await;
    let owner = fixture.peer.domains.owner(everything(), account.id).await.unwrap();
    assert_eq!(owner, Some(DomainOwner::of(&account)));
    assert_eq!(fixture.peer.domains.owner(Scope::of(None), account.id).await.unwrap(), None);
    fixture.look_away().await;
    let create = async |key: &str, body: &str| {
        let once = Some(once(key, body, "the first"));
        fixture.stores.domains.create(&making(&account), fixture.new_domain(None), once).await.unwrap()
    };
    assert_eq!(create("one", "body").await, Creation::Done(()));
    assert_eq!(create("one", "body").await, Creation::Repeated("the first".to_owned()));
    assert_eq!(create("one", "other").await, Creation::Mismatched);
    assert_eq!(fixture.told().await, ["domain.created"]);
    assert_eq!(fixture.peer.domains.list(everything(), ALL).await.unwrap().len(), 1);
}

async fn how_people_join_is_changed_apart_from_the_pages(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    assert_eq!(domain.joining, Joining::ByApproval);
    let domain = list_pages(fixture, &domain, &["https://www.example.com"]).await;
    let patch = DomainPatch { joining: Set::To(Joining::Open), ..DomainPatch::default() };
    let grant = granted::<ChangeDomain>(&domain);
    let changed = fixture.stores.domains.change(&grant, domain.version, patch, fixture.at()).await.unwrap();
    let wanted = Domain { joining: Joining::Open, version: domain.version.next(), ..domain };
    assert_eq!(changed, Change::Done(wanted.clone()));
    assert_eq!(fixture.peer.domains.read(everything(), wanted.id).await.unwrap(), Some(wanted));
}

async fn a_change_is_made_at_the_version_that_was_read(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    fixture.look_away().await;
    let pages = ["https://www.example.com", "http://localhost:3000"];
    let changed = list_pages(fixture, &domain, &pages).await;
    assert_eq!((&changed.origins, changed.version), (&origins(&pages), domain.version.next()));
    assert_eq!(fixture.told().await, ["domain.changed"]);
    let read = fixture.peer.domains.read(everything(), domain.id).await.unwrap();
    assert_eq!(read.as_ref(), Some(&changed));
    let grant = granted::<ChangeDomain>(&domain);
    let patch = DomainPatch { origins: Set::To(Vec::new()), ..DomainPatch::default() };
    let stale = fixture.stores.domains.change(&grant, domain.version, patch, fixture.at()).await.unwrap();
    assert_eq!(stale, Change::Stale);
    fixture.assert_silent("a stale change").await;
    assert_eq!(fixture.peer.domains.read(everything(), domain.id).await.unwrap(), Some(changed));
}

async fn pages_are_listed_exactly_as_they_are_written(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let listed =
        async |page: &str| fixture.peer.domains.lists_page(&WebOrigin::parse(page).unwrap()).await.unwrap();
    assert!(!listed("https://www.example.com").await);
    list_pages(fixture, &domain, &["https://www.example.com:8443", "https://shop.example.com"]).await;
    assert!(listed("https://www.example.com:8443").await);
    assert!(listed("https://shop.example.com").await);
    let part = ["https://www.example.com", "http://shop.example.com", "https://shop.example.co", "https://w"];
    for near in part.into_iter().chain(["https://www.example.com:844"]) {
        assert!(!listed(near).await, "{near}");
    }
    let grant = granted::<SuspendDomain>(&domain);
    fixture.stores.domains.set_status(&grant, Status::Suspended, fixture.at()).await.unwrap();
    assert!(!listed("https://shop.example.com").await, "its only domain is suspended");
    let second = fixture.domain(&account).await;
    list_pages(fixture, &second, &["https://shop.example.com"]).await;
    assert!(listed("https://shop.example.com").await, "another one lists it");
}

async fn a_page_finds_no_domain_that_is_not_in_use(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    list_pages(fixture, &domain, &["https://www.example.com"]).await;
    let page = WebOrigin::parse("https://www.example.com").unwrap();
    let finds = async || {
        let home = fixture.peer.domains.widget_home(&domain.name).await.unwrap();
        (home.is_some(), fixture.peer.domains.lists_page(&page).await.unwrap())
    };
    let account_to = async |status| {
        let grant = granted::<SuspendAccount>(&account);
        fixture.stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    let domain_to = async |status| {
        let grant = granted::<SuspendDomain>(&domain);
        fixture.stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    assert_eq!(finds().await, (true, true));
    account_to(Status::Suspended).await;
    assert_eq!(finds().await, (false, false), "its account is suspended");
    domain_to(Status::Suspended).await;
    account_to(Status::Active).await;
    assert_eq!(finds().await, (false, false), "it is suspended itself");
    domain_to(Status::Active).await;
    assert_eq!(finds().await, (true, true));
}

async fn suspending_and_reviving_are_announced(fixture: &Fixture) {
    let account = fixture.account().await;
    let (domain, other) = (fixture.domain(&account).await, fixture.domain(&account).await);
    fixture.look_away().await;
    let grant = granted::<SuspendDomain>(&domain);
    for (status, action) in [(Status::Suspended, "domain.suspended"), (Status::Active, "domain.revived")] {
        let seq = fixture.stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
        assert_eq!(fixture.told().await, [action]);
        let notice = Notice { seq, about: About::Domain(domain.id), ended: false };
        assert_eq!(fixture.announced().await, [notice]);
        let read = async |id| fixture.peer.domains.read(everything(), id).await.unwrap().unwrap();
        assert_eq!((read(domain.id).await.status, read(other.id).await.status), (status, Status::Active));
    }
}
