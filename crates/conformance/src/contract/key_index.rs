//! Secrets of keys as validators read them, and the uses that they report.

use super::{
    cases,
    fixture::{Fixture, RACE, chatbot, granted, hub},
    keys::read,
};
use auth_core::{
    id::KeyId,
    model::{Key, KeyUse},
    port::{About, CreateKey, Creation, Notice, Seq},
    secret::TokenDigest,
    service::Service,
};
use std::collections::HashSet;

cases! {
    "key_index":
    a_new_key_is_announced_with_its_secret,
    however_many_secrets_were_announced_all_are_told,
    uses_add_up_and_the_last_never_goes_back,
    uses_told_at_the_same_time_all_count,
}

async fn a_new_key_is_announced_with_its_secret(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let (_, earlier) = fixture.key(tenant).await;
    fixture.look_away().await;
    let before = fixture.stores.revocations.head().await.unwrap();
    let new = fixture.new_key(Service::Hub);
    let secret = new.secret.clone();
    let made = fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
    let Creation::Done(seq) = made else { panic!("not made: {made:?}") };
    assert_eq!(fixture.announced().await, [Notice { seq, about: About::NewSecrets, ended: false }]);
    let digests = async |after| fixture.peer.key_index.digests_since(Service::Hub, after).await.unwrap();
    assert_eq!(digests(before).await, [secret.digest]);
    assert_eq!(digests(seq).await, []);
    let all = digests(Seq(0)).await;
    assert!(all.len() == 2 && all.contains(&earlier.digest) && all.contains(&secret.digest));
}

async fn however_many_secrets_were_announced_all_are_told(fixture: &Fixture) {
    // More than a store reads at once.
    const IMPORTED: usize = 100_500;
    let owner = fixture.account().await;
    fixture.key(hub(&owner)).await;
    fixture.key(chatbot(&fixture.domain(&owner).await)).await;
    let before = fixture.stores.revocations.head().await.unwrap();
    let (_, secret) = fixture.key(hub(&owner)).await;
    let place = fixture.place.as_ref().unwrap();
    let numbers: Vec<_> = (0..IMPORTED).collect();
    for part in numbers.chunks(10_000) {
        let row = |number: &usize| format!("({})", place.bytes(&format!("{number:064x}")));
        let rows = part.iter().map(row).collect::<Vec<_>>().join(",");
        place
            .execute(&format!(
                "INSERT INTO key_secrets (digest, key_id, announced) SELECT made.column1, key_id, announced \
                 FROM (VALUES {rows}) AS made, \
                 (SELECT key_id, announced FROM key_secrets ORDER BY announced DESC LIMIT 1) AS like_this"
            ))
            .await;
    }
    let told = fixture.peer.key_index.digests_since(Service::Hub, before).await.unwrap();
    let each: HashSet<_> = told.iter().map(TokenDigest::as_bytes).collect();
    assert!(each.contains(secret.digest.as_bytes()));
    let missing = (0..IMPORTED).filter(|number| {
        let mut digest = [0; 32];
        digest[24..].copy_from_slice(&(*number as u64).to_be_bytes());
        !each.contains(&digest)
    });
    assert_eq!(missing.count(), 0);
    // Earlier ones may be told again, those of the other service never.
    assert!(
        (IMPORTED + 1..=IMPORTED + 2).contains(&told.len()) && told.len() == each.len(),
        "{}",
        told.len()
    );
}

async fn uses_add_up_and_the_last_never_goes_back(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let (one, two) = (fixture.key(tenant).await.0, fixture.key(tenant).await.0);
    let (early, late) = (fixture.at(), fixture.at());
    fixture.look_away().await;
    let touch = async |uses: &[_]| fixture.stores.key_index.touch(uses).await.unwrap();
    let used = |key: &Key, times, last| KeyUse { key: key.id, times, last };
    touch(&[used(&one, 1, late), used(&two, 2, early)]).await;
    touch(&[used(&one, 3, early), used(&two, 4, late)]).await;
    for (key, use_count) in [(&one, 4), (&two, 6)] {
        assert_eq!(read(fixture, key).await, Key { use_count, last_used_at: Some(late), ..key.clone() });
    }
    let latest = fixture.at();
    let nobodys = KeyUse { key: KeyId::from_bytes([7; 16]), times: 1, last: latest };
    let many = [vec![used(&one, u32::MAX, early); 1200], vec![nobodys, used(&two, 1, latest)]].concat();
    touch(&many).await;
    touch(&[]).await;
    let of_one = 4 + 1200 * u64::from(u32::MAX);
    for (key, use_count, last) in [(&one, of_one, late), (&two, 7, latest)] {
        assert_eq!(read(fixture, key).await, Key { use_count, last_used_at: Some(last), ..key.clone() });
    }
    fixture.assert_silent("a use").await;
}

async fn uses_told_at_the_same_time_all_count(fixture: &Fixture) {
    let tenant = hub(&fixture.account().await);
    let keys = [fixture.key(tenant).await.0, fixture.key(tenant).await.0, fixture.key(tenant).await.0];
    let at = fixture.at();
    fixture
        .race(RACE, |number, stores| {
            let mut uses = keys.each_ref().map(|key| KeyUse { key: key.id, times: 1, last: at });
            uses.rotate_left(number % 3);
            async move { stores.key_index.touch(&uses).await.unwrap() }
        })
        .await;
    for key in &keys {
        assert_eq!(read(fixture, key).await.use_count, RACE as u64);
    }
}
