//! Accounts.

use super::{
    cases,
    fixture::{
        ALL, Fixture, RACE, chatbot, count, email, everything, granted, hub, name, once, page, scope_of,
    },
};
use auth_core::{
    id::AccountId,
    model::{AccountPatch, NewAccount, Set, Status, Version},
    policy::{Installation, Scope},
    port::{About, Change, ChangeAccount, CreateAccount, Creation, Notice, SuspendAccount},
    principal::Tenant,
};

cases! {
    "accounts":
    one_opening_reads_what_another_made,
    a_scope_holds_its_own_account_alone,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    a_change_is_made_at_the_version_that_was_read,
    an_address_can_be_taken_away,
    suspending_and_reviving_are_announced,
    of_many_changes_of_one_version_one_is_made,
    of_many_first_ones_one_is_made,
    an_account_is_made_with_its_domains_or_not_at_all,
}

async fn an_account_is_made_with_its_domains_or_not_at_all(fixture: &Fixture) {
    let taken = fixture.domain(&fixture.account().await).await;
    fixture.look_away().await;
    let grant = granted::<CreateAccount>(&Installation);
    let create = async |names: &[&str], key: &str| {
        let at = fixture.at();
        let new =
            NewAccount { id: AccountId::draw(at, fixture.entropy()), name: name("New"), contact: None, at };
        let (id, domains) = (new.id, names.iter().map(|name| fixture.new_domain(Some(name))).collect());
        let once = Some(once(key, "body", &id.to_string()));
        (id, fixture.stores.accounts.create(&grant, new, domains, once).await.unwrap())
    };
    let (id, refused) = create(&["new.example", taken.name.as_str()], "one").await;
    assert_eq!(refused, Creation::Taken);
    fixture.assert_silent("a taken name").await;
    assert_eq!(fixture.peer.accounts.read(everything(), id).await.unwrap(), None);
    let (id, made) = create(&["new.example", "newer.example"], "one").await;
    assert_eq!(made, Creation::Done(()));
    assert_eq!(fixture.told().await, ["account.created", "domain.created", "domain.created"]);
    let domains =
        fixture.peer.domains.list(scope_of(Tenant { account: id, domain: None }), ALL).await.unwrap();
    let names: Vec<_> = domains.iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(names, ["newer.example", "new.example"]);
    let (_, again) = create(&["another.example"], "one").await;
    assert_eq!(again, Creation::Repeated(id.to_string()));
    fixture.assert_silent("the same request").await;
}

async fn of_many_first_ones_one_is_made(fixture: &Fixture) {
    let grant = granted::<CreateAccount>(&Installation);
    let new = || {
        let at = fixture.at();
        NewAccount { id: AccountId::draw(at, fixture.entropy()), name: name("First"), contact: None, at }
    };
    let made = fixture
        .race(RACE, |_, stores| {
            let (grant, new) = (grant.clone(), new());
            async move { stores.accounts.create_first(&grant, new).await.unwrap() }
        })
        .await;
    assert_eq!(count(&made, &true), 1);
    assert_eq!(fixture.peer.accounts.list(everything(), ALL).await.unwrap().len(), 1);
    assert_eq!(fixture.told().await, ["account.created"]);
    let second = fixture.account().await;
    assert!(
        !fixture.stores.accounts.create_first(&grant, new()).await.unwrap(),
        "beside one that others made"
    );
    assert_eq!(fixture.peer.accounts.list(everything(), ALL).await.unwrap()[0], second);
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    let account = fixture.account().await;
    assert_eq!(fixture.told().await, ["account.created"]);
    let read = fixture.peer.accounts.read(everything(), account.id).await.unwrap().unwrap();
    assert_eq!(read, account);
    assert_eq!((read.name, read.contact), (name("Account"), Some(email("alice@example.com"))));
    assert_eq!((read.status, read.version), (Status::Active, Version::FIRST));
}

async fn a_scope_holds_its_own_account_alone(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let domain = fixture.domain(&own).await;
    let accounts = &fixture.stores.accounts;
    let scope = scope_of(hub(&own));
    assert_eq!(accounts.read(scope, own.id).await.unwrap().as_ref(), Some(&own));
    assert_eq!(accounts.read(scope, other.id).await.unwrap(), None);
    assert_eq!(accounts.list(scope, ALL).await.unwrap(), std::slice::from_ref(&own));
    for nothing in [Scope::of(None), scope_of(chatbot(&domain))] {
        assert_eq!(accounts.read(nothing, own.id).await.unwrap(), None);
        assert_eq!(accounts.list(nothing, ALL).await.unwrap(), []);
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, fixture.account().await);
    }
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = fixture.peer.accounts.list(everything(), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part);
    }
    assert_eq!(paged, made);
}

async fn a_change_is_made_at_the_version_that_was_read(fixture: &Fixture) {
    let account = fixture.account().await;
    fixture.look_away().await;
    let grant = granted::<ChangeAccount>(&account);
    let patch = AccountPatch { name: Set::To(name("Renamed")), ..AccountPatch::default() };
    let change = async |version| {
        fixture.stores.accounts.change(&grant, version, patch.clone(), fixture.at()).await.unwrap()
    };
    let Change::Done(changed) = change(account.version).await else { panic!("it was not changed") };
    assert_eq!((changed.name.as_str(), &changed.contact), ("Renamed", &account.contact));
    assert_eq!(changed.version, account.version.next());
    assert_eq!(fixture.peer.accounts.read(everything(), account.id).await.unwrap(), Some(changed.clone()));
    assert_eq!(fixture.told().await, ["account.changed"]);
    for version in [account.version, changed.version.next()] {
        assert_eq!(change(version).await, Change::Stale);
    }
    fixture.assert_silent("a stale change").await;
    assert_eq!(fixture.peer.accounts.read(everything(), account.id).await.unwrap(), Some(changed));
}

async fn an_address_can_be_taken_away(fixture: &Fixture) {
    let account = fixture.account().await;
    let patch = AccountPatch { contact: Set::To(None), ..AccountPatch::default() };
    let grant = granted::<ChangeAccount>(&account);
    let changed = fixture.stores.accounts.change(&grant, account.version, patch, fixture.at()).await.unwrap();
    assert!(matches!(&changed, Change::Done(now) if now.contact.is_none() && now.name == account.name));
}

async fn suspending_and_reviving_are_announced(fixture: &Fixture) {
    let (account, other) = (fixture.account().await, fixture.account().await);
    fixture.look_away().await;
    let grant = granted::<SuspendAccount>(&account);
    for (status, action) in [(Status::Suspended, "account.suspended"), (Status::Active, "account.revived")] {
        let seq = fixture.stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
        assert_eq!(fixture.told().await, [action]);
        let notice = Notice { seq, about: About::Account(account.id), ended: false };
        assert_eq!(fixture.announced().await, [notice]);
        let read = async |id| fixture.peer.accounts.read(everything(), id).await.unwrap().unwrap();
        assert_eq!((read(account.id).await.status, read(other.id).await.status), (status, Status::Active));
    }
}

async fn of_many_changes_of_one_version_one_is_made(fixture: &Fixture) {
    let account = fixture.account().await;
    fixture.look_away().await;
    let (grant, at) = (granted::<ChangeAccount>(&account), fixture.at());
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, version) = (grant.clone(), account.version);
            let patch =
                AccountPatch { name: Set::To(name(&format!("n{number}"))), ..AccountPatch::default() };
            async move { stores.accounts.change(&grant, version, patch, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    assert_eq!(fixture.told().await, ["account.changed"]);
    let now = fixture.peer.accounts.read(everything(), account.id).await.unwrap().unwrap();
    assert_eq!(count(&answers, &Change::Done(now)), 1);
}
