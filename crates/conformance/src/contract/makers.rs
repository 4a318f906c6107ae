//! Keys that make keys, secrets and tokens: what they make is refused where they changed or ended meanwhile.

use super::{
    cases,
    fixture::{Fixture, all_rights, bearer, chatbot, everything, granted, hub, proof},
    keys::{done, read, rename, revoke},
};
use auth_core::{
    model::{Key, KeyPatch, NewKey, Status, Version},
    policy::{Ceiling, Granted},
    port::{Change, ChangeKey, CreateKey, Creation, MintToken, RotateKey, SuspendAccount, SuspendDomain},
    principal::{KeyPrincipal, Principal, TokenKind},
};

cases! {
    "makers":
    a_maker_that_changed_or_ended_makes_nothing,
    a_maker_whose_owner_is_suspended_makes_nothing,
    a_key_that_changed_since_it_was_judged_mints_nothing,
}

/// Whether a key creates, changes and rotates keys, within its rights as they were read.
async fn makes(fixture: &Fixture, maker: &Key, target: &Key) -> (bool, bool, bool) {
    let bounded = || {
        let ceiling = Ceiling::of_key(maker.rights.clone(), maker.id, maker.version);
        ceiling.bound(all_rights(maker.service)).unwrap()
    };
    let keys = &fixture.stores.keys;
    let new = NewKey { rights: bounded(), ..fixture.new_key(maker.service) };
    let created = keys.create(&granted::<CreateKey>(&maker.tenant), new, None).await.unwrap();
    let target = read(fixture, target).await;
    let (change, rotation) = (granted::<ChangeKey>(&target), granted::<RotateKey>(&target));
    let (patch, at) = (KeyPatch::default(), fixture.at());
    let changed = keys.change(&change, target.version, patch, bounded(), at).await.unwrap();
    let target = read(fixture, &target).await;
    let secret = fixture.secret(maker.service);
    let rotated = keys.rotate(&rotation, target.version, bounded(), secret, at, at).await.unwrap();
    (matches!(created, Creation::Done(_)), changed != Change::Stale, rotated != Change::Stale)
}

async fn a_maker_that_changed_or_ended_makes_nothing(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let (maker, target) = (fixture.key(tenant).await.0, fixture.key(tenant).await.0);
    let attempt = async |maker: &Key| makes(fixture, maker, &target).await;
    assert_eq!(attempt(&maker).await, (true, true, true));
    let changed = done(rename(fixture, &maker, "changed").await).0;
    fixture.look_away().await;
    assert_eq!(attempt(&maker).await, (false, false, false), "as it was");
    fixture.assert_silent("by a key that changed").await;
    assert_eq!(attempt(&changed).await, (true, true, true), "as it is");
    revoke(fixture, &changed).await;
    fixture.look_away().await;
    for version in [changed.version, changed.version.next()] {
        assert_eq!(attempt(&Key { version, ..changed.clone() }).await, (false, false, false));
    }
    fixture.assert_silent("by a revoked key").await;
}

async fn a_maker_whose_owner_is_suspended_makes_nothing(fixture: &Fixture) {
    let account = fixture.account().await;
    let domain = fixture.domain(&account).await;
    let mut pairs = Vec::new();
    for tenant in [hub(&account), chatbot(&domain)] {
        pairs.push((fixture.key(tenant).await.0, fixture.key(tenant).await.0));
    }
    let attempts = async || {
        let mut done = Vec::new();
        for (maker, target) in &pairs {
            done.push(makes(fixture, maker, target).await);
        }
        done
    };
    let (all, none) = ((true, true, true), (false, false, false));
    for (of_account, of_domain, wanted) in [
        (Status::Suspended, Status::Active, [none, none]),
        (Status::Active, Status::Suspended, [all, none]),
        (Status::Active, Status::Active, [all, all]),
    ] {
        let (account, domain) = (granted::<SuspendAccount>(&account), granted::<SuspendDomain>(&domain));
        fixture.stores.accounts.set_status(&account, of_account, fixture.at()).await.unwrap();
        fixture.stores.domains.set_status(&domain, of_domain, fixture.at()).await.unwrap();
        assert_eq!(attempts().await, wanted, "account {of_account:?}, domain {of_domain:?}");
    }
}

async fn a_key_that_changed_since_it_was_judged_mints_nothing(fixture: &Fixture) {
    let domain = fixture.domain(&fixture.account().await).await;
    let key = fixture.key(chatbot(&domain)).await.0;
    let mint_as = async |version: Version| {
        let Principal::Key(bearer) = bearer(key.tenant) else { panic!("a bearer has a key") };
        let judged = proof(Principal::Key(KeyPrincipal { id: key.id, version, ..bearer }));
        let granted = Granted::<MintToken>::own(&judged).ok().unwrap();
        let new = fixture.new_token(TokenKind::Temp, Some(key.id));
        let made = fixture.stores.tokens.mint(&granted, new.clone(), None).await.unwrap();
        (made, fixture.peer.tokens.read(everything(), new.id).await.unwrap().is_some())
    };
    assert_eq!(mint_as(key.version).await, (Creation::Done(()), true));
    let changed = done(rename(fixture, &key, "changed").await).0;
    fixture.look_away().await;
    assert_eq!(mint_as(key.version).await, (Creation::Stale, false));
    fixture.assert_silent("by a key that changed").await;
    assert_eq!(mint_as(changed.version).await, (Creation::Done(()), true));
}
