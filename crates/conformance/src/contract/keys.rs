//! API keys, managed and looked up.

use super::{
    cases,
    fixture::{
        ALL, Fixture, RACE, all_rights, chatbot, count, everything, granted, hub, name, once, page, scope_of,
        unbounded,
    },
};
use auth_core::{
    credential::NewSecret,
    model::{Key, KeyPatch, NewKey, Set, Status, Version},
    policy::{Installation, Networks, Permission, Permissions, Rights, Scope},
    port::{
        About, Change, ChangeKey, CreateKey, Creation, FoundKey, ImportKeys, Limits, Notice, RevokeKey,
        RotateKey, Seq, Stores, SuspendAccount, SuspendDomain,
    },
    principal::KeyPrincipal,
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "keys":
    one_opening_reads_what_another_made,
    a_secret_opens_its_key_at_its_service_alone,
    a_scope_holds_what_is_its_own,
    lists_are_newest_first_and_pages_neither_repeat_nor_leave_out,
    a_known_secret_is_taken,
    a_repeated_request_is_answered_as_the_first_for_a_day,
    an_import_takes_over_what_is_not_known,
    a_change_is_made_at_the_version_that_was_read,
    a_rotated_key_has_two_secrets_for_a_while,
    a_secret_that_ended_at_once_ended_for_a_clock_that_steps_back_too,
    an_old_secret_never_gets_longer_to_live,
    a_key_ends_for_validators_at_the_sooner_of_its_ends,
    revoking_is_terminal,
    a_key_ends_with_its_owners_and_comes_back_with_them,
    one_request_sent_many_times_makes_one_key,
    of_many_keys_with_one_secret_one_is_made,
    of_many_revocations_one_revokes,
    of_many_rotations_of_one_version_one_is_made,
    of_many_changes_of_one_version_one_is_made,
    nothing_changes_behind_a_revocation,
}

async fn find(stores: &Stores, service: Service, secret: &NewSecret) -> Option<FoundKey> {
    stores.key_index.find(service, &secret.digest).await.unwrap()
}

pub(super) async fn read(fixture: &Fixture, key: &Key) -> Key {
    fixture.peer.keys.read(key.service, everything(), key.id).await.unwrap().unwrap()
}

pub(super) async fn revoke(fixture: &Fixture, key: &Key) -> Option<Seq> {
    fixture.stores.keys.revoke(&granted::<RevokeKey>(key), fixture.at()).await.unwrap()
}

pub(super) async fn rename(fixture: &Fixture, key: &Key, to: &str) -> Change<(Key, Seq)> {
    let (patch, rights) =
        (KeyPatch { name: Set::To(name(to)), ..KeyPatch::default() }, unbounded(key.rights.clone()));
    let grant = granted::<ChangeKey>(key);
    fixture.stores.keys.change(&grant, key.version, patch, rights, fixture.at()).await.unwrap()
}

/// Rotates a key, and answers with the new secret what the store said.
async fn rotate(fixture: &Fixture, key: &Key, until: Timestamp) -> (NewSecret, Change<(Key, Seq)>) {
    let (secret, rights) = (fixture.secret(key.service), unbounded(key.rights.clone()));
    let (grant, at) = (granted::<RotateKey>(key), fixture.at());
    let keys = &fixture.stores.keys;
    let done = keys.rotate(&grant, key.version, rights, secret.clone(), until, at).await.unwrap();
    (secret, done)
}

pub(super) fn done(change: Change<(Key, Seq)>) -> (Key, Seq) {
    match change {
        Change::Done(done) => done,
        other => panic!("not done: {other:?}"),
    }
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let rights = Rights {
        permissions: Permissions::from_stored("billing_access audit_read"),
        expires_at: Some(Timestamp::MAX),
        networks: Networks::from_stored("10.0.0.0/8 2001:db8::/32").unwrap(),
        rate_limit: 600_u32.try_into().ok(),
    };
    let new = NewKey { rights: unbounded(rights.clone()), ..fixture.new_key(Service::Hub) };
    let made = fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new.clone(), None).await.unwrap();
    assert!(matches!(made, Creation::Done(_)));
    assert_eq!(fixture.told().await, ["key.created"]);
    let wanted = Key {
        id: new.id,
        service: Service::Hub,
        tenant,
        name: new.name,
        prefix: new.secret.prefix.clone(),
        rights: rights.clone(),
        created_at: new.at,
        use_count: 0,
        last_used_at: None,
        revoked_at: None,
        version: Version::FIRST,
    };
    let read = fixture.peer.keys.read(Service::Hub, everything(), new.id).await.unwrap();
    assert_eq!(read, Some(wanted));
    let principal = KeyPrincipal {
        id: new.id,
        service: Service::Hub,
        tenant,
        permissions: rights.permissions,
        expires_at: rights.expires_at,
        version: Version::FIRST,
    };
    let limits = Limits { networks: rights.networks, rate_limit: rights.rate_limit };
    let found = find(&fixture.peer, Service::Hub, &new.secret).await;
    assert_eq!(found, Some(FoundKey { principal, limits, ended: false }));
}

async fn a_secret_opens_its_key_at_its_service_alone(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    for (tenant, home, other) in
        [(hub(&account), Service::Hub, Service::Chatbot), (chatbot(&domain), Service::Chatbot, Service::Hub)]
    {
        let (key, secret) = fixture.key(tenant).await;
        assert_eq!(find(&fixture.peer, home, &secret).await.unwrap().principal.id, key.id);
        assert_eq!(find(&fixture.peer, other, &secret).await, None);
        assert_eq!(fixture.peer.keys.read(other, everything(), key.id).await.unwrap(), None);
        assert!(!fixture.peer.keys.list(other, everything(), ALL).await.unwrap().contains(&key));
        let digests = async |service| fixture.peer.key_index.digests_since(service, Seq(0)).await.unwrap();
        assert!(digests(home).await.contains(&secret.digest));
        assert!(!digests(other).await.contains(&secret.digest));
        assert_eq!(find(&fixture.peer, home, &fixture.secret(home)).await, None);
    }
}

async fn a_scope_holds_what_is_its_own(fixture: &Fixture) {
    let (own, other) = (fixture.account().await, fixture.account().await);
    let (first, second) = (fixture.domain(&own).await, fixture.domain(&own).await);
    let mine = fixture.key(hub(&own)).await.0;
    let foreign = fixture.key(hub(&other)).await.0;
    let of_first = fixture.key(chatbot(&first)).await.0;
    let of_second = fixture.key(chatbot(&second)).await.0;
    for (scope, seen) in [
        (scope_of(hub(&own)), vec![&mine, &of_second, &of_first]),
        (scope_of(chatbot(&first)), vec![&of_first]),
        (scope_of(hub(&other)), vec![&foreign]),
        (Scope::of(None), vec![]),
    ] {
        let mut listed = Vec::new();
        for service in Service::ALL {
            listed.extend(fixture.peer.keys.list(service, scope, ALL).await.unwrap());
        }
        assert_eq!(listed.iter().collect::<Vec<_>>(), seen);
        for key in [&mine, &foreign, &of_first, &of_second] {
            let wanted = seen.contains(&key).then(|| key.clone());
            assert_eq!(fixture.peer.keys.read(key.service, scope, key.id).await.unwrap(), wanted);
        }
    }
}

async fn lists_are_newest_first_and_pages_neither_repeat_nor_leave_out(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, fixture.key(tenant).await.0.id);
    }
    let third = fixture.peer.keys.read(Service::Hub, everything(), made[2]).await.unwrap().unwrap();
    revoke(fixture, &third).await;
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let part = fixture.peer.keys.list(Service::Hub, scope_of(tenant), page(3, before)).await.unwrap();
        assert!(part.len() <= 3);
        let Some(last) = part.last() else { break };
        before = Some(*last.id.as_bytes());
        paged.extend(part.iter().map(|key| key.id));
    }
    assert_eq!(paged, made, "revoked ones too");
}

async fn a_known_secret_is_taken(fixture: &Fixture) {
    let (own, other) = (hub(&fixture.account().await), hub(&fixture.account().await));
    let (key, secret) = fixture.key(own).await;
    fixture.look_away().await;
    for tenant in [own, other] {
        let again = NewKey { secret: secret.clone(), ..fixture.new_key(Service::Hub) };
        let id = again.id;
        let made = fixture.peer.keys.create(&granted::<CreateKey>(&tenant), again, None).await.unwrap();
        assert_eq!(made, Creation::Taken);
        assert_eq!(fixture.peer.keys.read(Service::Hub, everything(), id).await.unwrap(), None);
    }
    fixture.assert_silent("a known secret").await;
    assert_eq!(find(&fixture.peer, Service::Hub, &secret).await.unwrap().principal.id, key.id);
}

async fn a_repeated_request_is_answered_as_the_first_for_a_day(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let grant = granted::<CreateKey>(&tenant);
    let ask = async |body: &str, answer: &str| {
        let (new, once) = (fixture.new_key(Service::Hub), once("request", body, answer));
        fixture.peer.keys.create(&grant, new, Some(once)).await.unwrap()
    };
    assert!(matches!(ask("a", "first").await, Creation::Done(_)));
    fixture.look_away().await;
    assert_eq!(ask("a", "second").await, Creation::Repeated("first".to_owned()));
    assert_eq!(ask("b", "third").await, Creation::Mismatched);
    fixture.assert_silent("a repeated request").await;
    assert_eq!(fixture.stores.keys.list(Service::Hub, scope_of(tenant), ALL).await.unwrap().len(), 1);
    fixture.pass(Duration::from_secs(24 * 3600));
    assert!(matches!(ask("b", "fourth").await, Creation::Done(_)), "forgotten after a day");
}

async fn an_import_takes_over_what_is_not_known(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let known = fixture.key(hub(&account)).await.1;
    let order = [
        (hub(&account), fixture.new_key(Service::Hub)),
        (hub(&account), NewKey { secret: known, ..fixture.new_key(Service::Hub) }),
        (chatbot(&domain), fixture.new_key(Service::Chatbot)),
    ];
    let grant = granted::<ImportKeys>(&Installation);
    fixture.look_away().await;
    let (made, seq) = fixture.stores.keys.import(&grant, order.to_vec()).await.unwrap();
    assert_eq!(made, [true, false, true]);
    assert_eq!(fixture.told().await, ["key.imported", "key.imported"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::NewSecrets, ended: false }]);
    for ((tenant, new), made) in order.iter().zip(made) {
        let read = fixture.peer.keys.read(new.service, scope_of(*tenant), new.id).await.unwrap();
        assert_eq!(read.is_some(), made);
        let found = find(&fixture.peer, new.service, &new.secret).await.unwrap();
        assert_eq!(found.principal.id == new.id, made);
        let announced = fixture.peer.key_index.digests_since(new.service, Seq(seq.0 - 1)).await.unwrap();
        assert_eq!(announced.contains(&new.secret.digest), made);
    }
    let (again, _) = fixture.peer.keys.import(&grant, order.to_vec()).await.unwrap();
    assert_eq!(again, [false, false, false]);
    assert_eq!(fixture.told().await, [""; 0], "nothing was taken over");
}

async fn a_change_is_made_at_the_version_that_was_read(fixture: &Fixture) {
    let (key, secret) = fixture.key(hub(&fixture.account().await)).await;
    fixture.look_away().await;
    let rights = Rights {
        permissions: [Permission::BillingAccess].into_iter().collect(),
        expires_at: Some(Timestamp::MAX),
        networks: Networks::from_stored("10.0.0.0/8").unwrap(),
        rate_limit: 60_u32.try_into().ok(),
    };
    let patch = KeyPatch { name: Set::To(name("changed")), ..KeyPatch::default() };
    let change = async |version| {
        let (grant, rights) = (granted::<ChangeKey>(&key), unbounded(rights.clone()));
        fixture.stores.keys.change(&grant, version, patch.clone(), rights, fixture.at()).await.unwrap()
    };
    assert_eq!(change(key.version.next()).await, Change::Stale);
    fixture.assert_silent("a stale change").await;
    let (changed, seq) = done(change(key.version).await);
    let wanted =
        Key { name: name("changed"), rights: rights.clone(), version: key.version.next(), ..key.clone() };
    assert_eq!((&changed, &read(fixture, &key).await), (&wanted, &wanted));
    assert_eq!(fixture.told().await, ["key.changed"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::Key(key.id), ended: false }]);
    let found = find(&fixture.peer, Service::Hub, &secret).await.unwrap();
    assert_eq!(found.principal.permissions, rights.permissions);
    assert_eq!(found.limits, Limits { networks: rights.networks.clone(), rate_limit: rights.rate_limit });
    assert_eq!(change(key.version).await, Change::Stale);
    fixture.assert_silent("a stale change").await;
}

async fn a_secret_that_ended_at_once_ended_for_a_clock_that_steps_back_too(fixture: &Fixture) {
    let (key, old) = fixture.key(hub(&fixture.account().await)).await;
    let at = fixture.at();
    done(rotate(fixture, &key, at).await.1);
    let found = fixture.peer.key_index.find(Service::Hub, &old.digest).await.unwrap().unwrap();
    assert_eq!(found.principal.expires_at, Some(Timestamp::EPOCH));
}

async fn a_rotated_key_has_two_secrets_for_a_while(fixture: &Fixture) {
    let (key, old) = fixture.key(hub(&fixture.account().await)).await;
    fixture.look_away().await;
    let until = fixture.at() + Duration::from_secs(60);
    let (new, change) = rotate(fixture, &key, until).await;
    let (rotated, seq) = done(change);
    let wanted = Key { prefix: new.prefix.clone(), version: key.version.next(), ..key.clone() };
    assert_eq!((&rotated, &read(fixture, &key).await), (&wanted, &wanted));
    assert_eq!(fixture.told().await, ["key.rotated"]);
    let notices = fixture.announced().await;
    assert!(notices.iter().any(|notice| notice.about == About::Key(key.id) && !notice.ended));
    assert!(notices.iter().any(|notice| notice.about == About::NewSecrets));
    assert_eq!(notices.last().map(|last| last.seq), Some(seq), "the last of its numbers is answered");
    let announced = fixture.peer.key_index.digests_since(Service::Hub, Seq(seq.0 - 1)).await.unwrap();
    assert_eq!(announced, [new.digest]);
    for (secret, end) in [(&old, Some(until)), (&new, None)] {
        let found = find(&fixture.peer, Service::Hub, secret).await.unwrap();
        assert_eq!((found.principal.id, found.principal.expires_at, found.ended), (key.id, end, false));
    }
    assert_eq!(rotate(fixture, &key, until).await.1, Change::Stale);
    fixture.assert_silent("a stale rotation").await;
}

async fn an_old_secret_never_gets_longer_to_live(fixture: &Fixture) {
    let (key, first) = fixture.key(hub(&fixture.account().await)).await;
    let soon = fixture.at() + Duration::from_secs(60);
    let later = soon + Duration::from_secs(60);
    let (second, change) = rotate(fixture, &key, soon).await;
    let (third, change) = rotate(fixture, &done(change).0, later).await;
    let key = done(change).0;
    let end = async |secret| find(&fixture.peer, Service::Hub, secret).await.unwrap().principal.expires_at;
    assert_eq!([end(&first).await, end(&second).await, end(&third).await], [Some(soon), Some(later), None]);
    let sooner = fixture.at() + Duration::from_secs(1);
    rotate(fixture, &key, sooner).await;
    let ends = [end(&first).await, end(&second).await, end(&third).await];
    assert_eq!(ends, [Some(sooner); 3], "but shorter it gets");
}

async fn a_key_ends_for_validators_at_the_sooner_of_its_ends(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let end = fixture.at() + Duration::from_secs(60);
    let rights = Rights { expires_at: Some(end), ..all_rights(Service::Hub) };
    let new = NewKey { rights: unbounded(rights), ..fixture.new_key(Service::Hub) };
    let (id, old) = (new.id, new.secret.clone());
    fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
    let mut key = fixture.stores.keys.read(Service::Hub, everything(), id).await.unwrap().unwrap();
    for until in [end + Duration::from_secs(1), fixture.at() + Duration::from_secs(1)] {
        let (new, change) = rotate(fixture, &key, until).await;
        key = done(change).0;
        let ends =
            async |secret| find(&fixture.peer, Service::Hub, secret).await.unwrap().principal.expires_at;
        assert_eq!((ends(&old).await, ends(&new).await), (Some(end.min(until)), Some(end)));
    }
}

async fn revoking_is_terminal(fixture: &Fixture) {
    let (key, old) = fixture.key(hub(&fixture.account().await)).await;
    let until = fixture.at() + Duration::from_secs(3600);
    let (new, change) = rotate(fixture, &key, until).await;
    let key = done(change).0;
    let other = fixture.key(key.tenant).await;
    fixture.look_away().await;
    let seq = revoke(fixture, &key).await.unwrap();
    assert_eq!(fixture.told().await, ["key.revoked"]);
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::Key(key.id), ended: true }]);
    let revoked = read(fixture, &key).await;
    assert!(revoked.revoked_at.is_some());
    for secret in [&old, &new] {
        assert!(find(&fixture.peer, Service::Hub, secret).await.unwrap().ended, "all its secrets end");
    }
    assert!(!find(&fixture.peer, Service::Hub, &other.1).await.unwrap().ended, "and no other");
    assert_eq!(revoke(fixture, &key).await, None);
    for version in [key.version, revoked.version] {
        let key = Key { version, ..revoked.clone() };
        assert_eq!(rename(fixture, &key, "back").await, Change::Stale);
        assert_eq!(rotate(fixture, &key, until).await.1, Change::Stale);
    }
    fixture.assert_silent("it was revoked").await;
    assert_eq!(read(fixture, &key).await, revoked);
}

async fn a_key_ends_with_its_owners_and_comes_back_with_them(fixture: &Fixture) {
    let account = fixture.account().await;
    let (domain, other) = (fixture.domain(&account).await, fixture.domain(&account).await);
    let of_hub = fixture.key(hub(&account)).await.1;
    let of_domain = fixture.key(chatbot(&domain)).await.1;
    let of_other = fixture.key(chatbot(&other)).await.1;
    let ended = async || {
        let ended =
            async |service, secret| find(&fixture.peer, service, secret).await.is_some_and(|key| key.ended);
        [
            ended(Service::Hub, &of_hub).await,
            ended(Service::Chatbot, &of_domain).await,
            ended(Service::Chatbot, &of_other).await,
        ]
    };
    let account_to = async |status| {
        let grant = granted::<SuspendAccount>(&account);
        fixture.stores.accounts.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    let domain_to = async |status| {
        let grant = granted::<SuspendDomain>(&domain);
        fixture.stores.domains.set_status(&grant, status, fixture.at()).await.unwrap();
    };
    assert_eq!(ended().await, [false, false, false]);
    account_to(Status::Suspended).await;
    assert_eq!(ended().await, [true, true, true]);
    domain_to(Status::Suspended).await;
    account_to(Status::Active).await;
    assert_eq!(ended().await, [false, true, false]);
    domain_to(Status::Active).await;
    assert_eq!(ended().await, [false, false, false]);
}

async fn one_request_sent_many_times_makes_one_key(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |_, stores| {
            let (grant, new) = (granted::<CreateKey>(&tenant), fixture.new_key(Service::Hub));
            let once = once("request", "body", &new.id.to_string());
            async move { stores.keys.create(&grant, new, Some(once)).await.unwrap() }
        })
        .await;
    let made = fixture.peer.keys.list(Service::Hub, scope_of(tenant), ALL).await.unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(count(&answers, &Creation::Repeated(made[0].id.to_string())), RACE - 1);
    let (told, notices) = (fixture.told().await, fixture.announced().await);
    assert_eq!((told, notices.len()), (vec!["key.created".to_owned()], 1));
    assert_eq!(count(&answers, &Creation::Done(notices[0].seq)), 1);
}

async fn of_many_keys_with_one_secret_one_is_made(fixture: &Fixture) {
    let tenants = [hub(&fixture.account().await), hub(&fixture.account().await)];
    let secret = fixture.secret(Service::Hub);
    fixture.look_away().await;
    let answers = fixture
        .race(RACE, |number, stores| {
            let grant = granted::<CreateKey>(&tenants[number / 2 % 2]);
            let new = NewKey { secret: secret.clone(), ..fixture.new_key(Service::Hub) };
            async move { stores.keys.create(&grant, new, None).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Creation::Taken), RACE - 1);
    assert_eq!((fixture.told().await.len(), fixture.announced().await.len()), (1, 1));
    assert_eq!(fixture.peer.keys.list(Service::Hub, everything(), ALL).await.unwrap().len(), 1);
}

async fn of_many_revocations_one_revokes(fixture: &Fixture) {
    let key = fixture.key(hub(&fixture.account().await)).await.0;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |_, stores| {
            let grant = granted::<RevokeKey>(&key);
            async move { stores.keys.revoke(&grant, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &None), RACE - 1);
    assert_eq!((fixture.told().await.len(), fixture.announced().await.len()), (1, 1));
}

async fn of_many_rotations_of_one_version_one_is_made(fixture: &Fixture) {
    let key = fixture.key(hub(&fixture.account().await)).await.0;
    fixture.look_away().await;
    let (at, secrets) = (fixture.at(), (0..RACE).map(|_| fixture.secret(Service::Hub)).collect::<Vec<_>>());
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, version) = (granted::<RotateKey>(&key), key.version);
            let (rights, secret) = (unbounded(key.rights.clone()), secrets[number].clone());
            async move { stores.keys.rotate(&grant, version, rights, secret, at, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    assert_eq!(fixture.told().await, ["key.rotated"]);
    let winner = answers.iter().position(|answer| *answer != Change::Stale).unwrap();
    let live: Vec<TokenDigest> = fixture.peer.key_index.digests_since(Service::Hub, Seq(1)).await.unwrap();
    assert_eq!(live, [secrets[winner].digest], "one new secret is known: the one that was answered");
    assert_eq!(read(fixture, &key).await.prefix, secrets[winner].prefix);
}

async fn of_many_changes_of_one_version_one_is_made(fixture: &Fixture) {
    let key = fixture.key(hub(&fixture.account().await)).await.0;
    fixture.look_away().await;
    let at = fixture.at();
    let answers = fixture
        .race(RACE, |number, stores| {
            let (grant, version) = (granted::<ChangeKey>(&key), key.version);
            let (patch, rights) = (
                KeyPatch { name: Set::To(name(&format!("n{number}"))), ..KeyPatch::default() },
                unbounded(key.rights.clone()),
            );
            async move { stores.keys.change(&grant, version, patch, rights, at).await.unwrap() }
        })
        .await;
    assert_eq!(count(&answers, &Change::Stale), RACE - 1);
    let notices = fixture.announced().await;
    assert_eq!((fixture.told().await.len(), notices.len()), (1, 1));
    assert_eq!(count(&answers, &Change::Done((read(fixture, &key).await, notices[0].seq))), 1);
}

async fn nothing_changes_behind_a_revocation(fixture: &Fixture) {
    let key = fixture.key(hub(&fixture.account().await)).await.0;
    fixture.look_away().await;
    let (id, at) = (key.id, fixture.at());
    let answers = fixture
        .race_to_the_end(200, |number, stores| {
            let end = granted::<RevokeKey>(&key);
            async move {
                if number == 100 {
                    return stores.keys.revoke(&end, at).await.unwrap();
                }
                // As it is now, so that others' changes alone do not refuse this one.
                let key = stores.keys.read(Service::Hub, everything(), id).await.unwrap().unwrap();
                let (change, rights) = (granted::<ChangeKey>(&key), unbounded(key.rights));
                let changed = stores.keys.change(&change, key.version, KeyPatch::default(), rights, at).await;
                match changed.unwrap() {
                    Change::Done((_, seq)) => Some(seq),
                    _ => None,
                }
            }
        })
        .await;
    let notices = fixture.announced().await;
    let ended = notices.iter().position(|notice| notice.ended).unwrap();
    assert_eq!(ended + 1, notices.len(), "the revocation is the last that is heard of the key");
    assert_eq!(answers[100], notices.last().map(|notice| notice.seq));
    assert!(ended > 0, "the race was lost before it began");
    assert_eq!(answers.iter().flatten().count(), notices.len(), "what was answered is what was done");
    assert!(read(fixture, &key).await.revoked_at.is_some());
}
