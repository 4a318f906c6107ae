use super::*;
use crate::{seal::Sealed, time::Timestamp};
use proptest::prelude::*;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Never the same bytes twice, and how often it was asked.
struct Counting(AtomicU64);

impl Counting {
    const fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        out.iter_mut().zip(number.iter().cycle()).for_each(|(place, byte)| *place = *byte);
    }
}

/// A clock that stands where it is put, in milliseconds.
struct Standing(AtomicU64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(self.0.load(Ordering::Relaxed) * 1_000_000)
    }
}

/// Where the keys lie: bytes of which each is a key.
struct Lying {
    keys: Mutex<Option<Vec<u8>>>,
    read: AtomicUsize,
}

impl KeySource for Lying {
    fn keyring(&self) -> Answer<Keyring> {
        self.read.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().unwrap().clone();
        keys.map(|keys| ring(&keys)).ok_or_else(|| StoreError::Unavailable("no keys".to_owned()))
    }
}

fn ring(keys: &[u8]) -> Keyring {
    Keyring::new(&keys.iter().map(|key| Zeroizing::new([*key; 32])).collect::<Vec<_>>()).unwrap()
}

fn vault(keys: &[u8]) -> (Vault, Arc<Lying>) {
    let source = Arc::new(Lying { keys: Mutex::new(Some(keys.to_vec())), read: AtomicUsize::new(0) });
    let keyring = ArcSwap::from_pointee(ring(keys));
    (Vault { keyring, source: source.clone(), read: Mutex::new(None) }, source)
}

fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).unwrap()
}

fn place() -> Place {
    Place {
        connection: ConnectionId::from_bytes([1; 16]),
        account: AccountId::from_bytes([2; 16]),
        user: UserId::from_bytes([3; 16]),
        provider: provider("google"),
    }
}

fn tokens(access: &str, refresh: &str) -> Tokens {
    Tokens { access: PlainToken::new(access.to_owned()), refresh: PlainToken::new(refresh.to_owned()) }
}

fn both(tokens: &Tokens) -> (&str, &str) {
    (tokens.access.expose(), tokens.refresh.expose())
}

/// What is sealed for the place as tokens are, whatever it is.
fn sealed(keyring: &Keyring, text: &[u8]) -> SealedTokens {
    let sealed = keyring.seal(&cell(&place().row()), text, &Counting::new());
    SealedTokens { key: keyring.newest(), sealed }
}

#[test]
fn tokens_open_in_their_place() {
    let keyring = ring(&[1]);
    for (access, refresh) in [("canary-a", "canary-r"), ("", ""), ("a", ""), ("", "r"), ("é\0", "\u{10ffff}")]
    {
        let sealed = seal(&keyring, &place(), &tokens(access, refresh), &Counting::new());
        assert_eq!(sealed.key, keyring.newest());
        let opened = unseal(&keyring, &place(), &sealed).unwrap();
        assert_eq!(both(&opened), (access, refresh));
        let printed = format!("{sealed:?} {opened:?} {keyring:?}");
        assert!(!printed.contains("canary") && !printed.contains("u{10ffff}"), "{printed}");
    }
    let sealed = seal(&keyring, &place(), &tokens("canary-a", "canary-r"), &Counting::new());
    let bytes = sealed.sealed.as_bytes();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    assert!(!format!("{:?}", vault(&[1]).0).contains("[1, 1"));
}

#[test]
fn where_one_token_ends_is_part_of_what_is_sealed() {
    let keyring = ring(&[1]);
    for (access, refresh) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")] {
        let sealed = seal(&keyring, &place(), &tokens(access, refresh), &Counting::new());
        assert_eq!(both(&unseal(&keyring, &place(), &sealed).unwrap()), (access, refresh));
    }
}

#[test]
fn each_part_of_a_place_counts() {
    let keyring = ring(&[1]);
    let sealed = seal(&keyring, &place(), &tokens("a", "r"), &Counting::new());
    let opens = |place: &Place| unseal(&keyring, place, &sealed).map(drop);
    assert_eq!(opens(&place()), Ok(()));
    let mut others = vec![
        Place { connection: ConnectionId::from_bytes([2; 16]), ..place() },
        Place { account: AccountId::from_bytes([1; 16]), ..place() },
        Place { user: UserId::from_bytes([2; 16]), ..place() },
        // The same bytes, each in the place of another.
        Place {
            connection: ConnectionId::from_bytes([2; 16]),
            account: AccountId::from_bytes([1; 16]),
            ..place()
        },
        Place { account: AccountId::from_bytes([3; 16]), user: UserId::from_bytes([2; 16]), ..place() },
        Place { connection: ConnectionId::from_bytes([3; 16]), user: UserId::from_bytes([1; 16]), ..place() },
    ];
    for name in ["microsoft", "googl", "googles", "g", "oidc"] {
        others.push(Place { provider: provider(name), ..place() });
    }
    for bit in 0..128 {
        let of = |byte: u8| {
            let mut id = [byte; 16];
            id[bit / 8] ^= 1 << (bit % 8);
            id
        };
        others.push(Place { connection: ConnectionId::from_bytes(of(1)), ..place() });
        others.push(Place { account: AccountId::from_bytes(of(2)), ..place() });
        others.push(Place { user: UserId::from_bytes(of(3)), ..place() });
    }
    for other in &others {
        assert_eq!(opens(other), Err(Unopened::Altered), "{other:?}");
    }
}

#[test]
fn tokens_and_proofs_do_not_open_as_one_another() {
    let keyring = ring(&[1]);
    let name = keyring.newest();
    let tokens = seal(&keyring, &place(), &tokens("a", "r"), &Counting::new());
    assert_eq!(keyring.open(&proof_cell(&name), &tokens.sealed), Err(Unopened::Altered));
    let proof = keyring.seal(&proof_cell(&name), PROOF, &Counting::new());
    let proof = SealedTokens { key: name, sealed: proof };
    assert_eq!(unseal(&keyring, &place(), &proof).map(drop), Err(Unopened::Altered));
}

#[test]
fn whatever_else_was_sealed_is_no_pair_of_tokens() {
    let keyring = ring(&[1]);
    let text = |length: u64, both: &[u8]| [&length.to_be_bytes(), both].concat();
    let opens = |text: &[u8]| unseal(&keyring, &place(), &sealed(&keyring, text)).map(drop);
    assert_eq!((opens(&text(0, b"")), opens(&text(3, b"abc"))), (Ok(()), Ok(())));
    for wrong in [
        Vec::new(),
        vec![0; 7],
        text(1, b""),
        text(4, b"abc"),
        text(u64::MAX, b"abc"),
        text(1 << 32, b"abc"),
        text(1, "é".as_bytes()),
        text(1, &[b'a', 0xff]),
        text(1, &[0xff, b'a']),
    ] {
        assert_eq!(opens(&wrong), Err(Unopened::Altered), "{wrong:?}");
    }
}

#[test]
fn what_was_sealed_before_opens_while_its_key_is_there() {
    let (old, between, new) = (ring(&[1]), ring(&[1, 2]), ring(&[2]));
    let sealed = seal(&old, &place(), &tokens("a", "r"), &Counting::new());
    assert!(unseal(&between, &place(), &sealed).is_ok());
    assert_eq!(unseal(&new, &place(), &sealed).map(drop), Err(Unopened::UnknownKey));
    let anew = seal(&between, &place(), &tokens("a", "r"), &Counting::new());
    assert_eq!(anew.key, new.newest());
    assert!(unseal(&new, &place(), &anew).is_ok() && unseal(&old, &place(), &anew).is_err());
}

#[test]
fn a_million_seals_have_as_many_nonces() {
    let (keyring, entropy) = (ring(&[1]), Counting::new());
    let (place, tokens) = (place(), tokens("access", "refresh"));
    let seals = 1_000_000;
    let mut nonces = HashSet::new();
    for _ in 0..seals {
        let sealed = seal(&keyring, &place, &tokens, &entropy).sealed;
        // Behind the name of the key.
        let nonce: [u8; 24] = sealed.as_bytes()[8..32].try_into().unwrap();
        nonces.insert(nonce);
    }
    assert_eq!(nonces.len(), seals);
    assert_eq!(entropy.0.load(Ordering::Relaxed), 1 + seals as u64, "each was drawn for one seal");
}

#[test]
fn the_keys_are_read_anew_for_one_that_is_missing_and_not_again_for_five_seconds() {
    let (vault, source) = vault(&[1]);
    let clock = Standing(AtomicU64::new(0));
    let newer = ring(&[1, 2]);
    let entropy = Counting::new();
    let by_newer = seal(&newer, &place(), &tokens("a", "r"), &entropy);
    let opens = || vault.unseal(&place(), &by_newer, &clock).map(drop);
    let read = || source.read.load(Ordering::Relaxed);
    let put = |keys: Option<Vec<u8>>| *source.keys.lock().unwrap() = keys;

    // The file has no other key yet.
    assert_eq!((opens(), read()), (Err(Unopened::UnknownKey), 1));
    put(Some(vec![1, 2]));
    clock.0.store(4999, Ordering::Relaxed);
    assert_eq!((opens(), read()), (Err(Unopened::UnknownKey), 1));
    clock.0.store(5000, Ordering::Relaxed);
    assert_eq!((opens(), read()), (Ok(()), 2));
    // Now it is known, and the newest one seals.
    assert_eq!((opens(), read(), vault.newest()), (Ok(()), 2, newer.newest()));
    assert_eq!(vault.seal(&place(), &tokens("a", "r"), &entropy).key, newer.newest());

    // What was altered is altered, whichever keys there are.
    clock.0.store(20_000, Ordering::Relaxed);
    let mut bytes = by_newer.sealed.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let altered = SealedTokens { key: by_newer.key, sealed: Sealed::from_bytes(bytes) };
    assert_eq!(vault.unseal(&place(), &altered, &clock).map(drop), Err(Unopened::Altered));
    assert_eq!(read(), 2);

    // A file that cannot be read takes no key away.
    put(None);
    assert!(!vault.read_again(&clock));
    assert_eq!((opens(), read()), (Ok(()), 3));
    put(Some(vec![3]));
    assert!(!vault.read_again(&clock), "it was just read, in vain");
    clock.0.store(25_000, Ordering::Relaxed);
    assert!(vault.read_again(&clock));
    assert_eq!(vault.newest(), ring(&[3]).newest());
}

#[test]
fn a_keyring_proves_each_key_that_the_store_knows() {
    let proof = |of: &Keyring, text: &[u8]| {
        let name = of.newest();
        VaultKey { name, proof: of.seal(&proof_cell(&name), text, &Counting::new()) }
    };
    let [one, two, three] = [1, 2, 3].map(|key| ring(&[key]));
    let both = ring(&[1, 2]);
    let known = [proof(&one, PROOF), proof(&two, PROOF)];
    assert!(prove(&both, &known).is_ok() && prove(&both, &[]).is_ok());
    assert!(prove(&one, &known).is_err() && prove(&two, &known).is_err() && prove(&three, &known).is_err());
    let error = prove(&one, &known).unwrap_err().to_string();
    assert!(error.contains(&two.newest().to_string()) && error.contains("restore"), "{error}");
    let misnamed = VaultKey { name: two.newest(), proof: known[0].proof.clone() };
    for wrong in [
        misnamed,
        proof(&one, b""),
        proof(&one, b"another text"),
        VaultKey { name: one.newest(), proof: Sealed::from_bytes(Vec::new()) },
    ] {
        assert!(prove(&both, &[known[0].clone(), wrong]).is_err());
    }
}

proptest! {
    #[test]
    fn any_tokens_read_back_and_any_changed_bit_does_not(
        access in "\\PC*",
        refresh in "\\PC*",
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let keyring = ring(&[1]);
        let good = seal(&keyring, &place(), &tokens(&access, &refresh), &Counting::new());
        let opened = unseal(&keyring, &place(), &good).unwrap();
        prop_assert_eq!(both(&opened), (&*access, &*refresh));
        let mut bytes = good.sealed.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let altered = SealedTokens { key: good.key, sealed: Sealed::from_bytes(bytes.clone()) };
        prop_assert!(unseal(&keyring, &place(), &altered).is_err());
        bytes.truncate(at);
        let cut = SealedTokens { key: good.key, sealed: Sealed::from_bytes(bytes) };
        prop_assert!(unseal(&keyring, &place(), &cut).is_err());
    }
}
