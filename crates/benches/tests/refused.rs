//! What a token costs that is refused: nothing is allocated for it before its signature is known good, and it takes about as
//! long as a good one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    error::Refusal,
    jwt::{
        Algorithm, EarlierTokens, Issuer, JwkSet, LONGEST, MOST_BYTES, SigningKey, Verifier, VerifyingKey,
    },
    service::Service,
};
use auth_web::system::OsEntropy;
use benches::{
    claims::{NOW, claims},
    figure::each,
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::sync::Arc;

const SECRET: &[u8] = b"a secret of the earlier system, long enough";
/// The most bytes that may be allocated for a token that is refused.
const MOST: u64 = 64 * 1024;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// A good token in all ways in which somebody may change it who cannot sign it, and texts that are as long as they like.
fn forged(good: &str) -> Vec<String> {
    let [head, claims, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let said = String::from_utf8(BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    let mut other = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    other[7] ^= 1;
    let other = encoded(other);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let named = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let room = (MOST_BYTES - head.len() - signature.len() - 2) / 4 * 3;
    let mut texts: Vec<String> = [
        said.replacen('1', "2", 1),
        said.replacen('{', r#"{"admin":true,"#, 1),
        nested(room / 2),
        named(room / 6),
        format!(r#"{{"sub":"{}"}}"#, "a".repeat(room - 10)),
        format!("[{}1]", "1,".repeat(room / 2 - 2)),
        r#""\u0041"#.repeat(room / 7),
        "1".repeat(room),
        nested(50_000),
        named(50_000),
        "9".repeat(1 << 20),
        "null".to_owned(),
        String::new(),
    ]
    .map(|claims| format!("{head}.{}.{signature}", encoded(claims)))
    .into();
    for head in [r#"{"alg":"none"}"#, "{}", "", &nested(50_000), &named(400)] {
        texts.push(format!("{}.{claims}.{signature}", encoded(head)));
    }
    texts.extend([
        format!("{head}.{claims}.{other}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{}", "A".repeat(1 << 20)),
        format!("{head}.{claims}.{signature}."),
        format!("{head}.{claims}.{claims}.{claims}.{signature}"),
        format!("{good}{}", "A".repeat(MOST_BYTES)),
        format!("{head}.{}.{signature}", "A".repeat(1 << 20)),
        format!("{head}.{}.{signature}", "\u{ff}".repeat(600)),
        ".".repeat(MOST_BYTES),
        ".".repeat(1 << 20),
        "eyJ".repeat(1 << 18),
        head.to_owned(),
        String::new(),
    ]);
    texts
}

/// Has each of these refused; the most bytes that one of them had allocated.
fn most_allocated<T>(texts: &[String], judge: impl Fn(&[u8]) -> Result<T, Refusal>) -> u64 {
    let bytes = texts.iter().map(|text| {
        let mut refused = false;
        let used = allocation_counter::measure(|| refused = judge(text.as_bytes()).is_err());
        let short: String = text.chars().take(200).collect();
        assert!(refused, "{short} is taken");
        assert!(used.bytes_total <= MOST, "{} bytes for {short}", used.bytes_total);
        used.bytes_total
    });
    bytes.max().unwrap()
}

/// Rows A13 and A22, of access tokens under each algorithm.
#[test]
fn a_token_that_nobody_signed_has_nothing_allocated() {
    let keys = Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm, &OsEntropy).unwrap());
    let set = JwkSet::to_json(keys.iter().map(|key| key.public().as_ref()));
    let known = JwkSet::parse(set.as_bytes()).unwrap().into_keys();
    let known: Vec<_> =
        known.into_iter().map(|key| VerifyingKey { key: Arc::new(key), ends_at: None }).collect();
    let issuer = Issuer::parse("https://chat.example.com").unwrap();
    let said = claims(1);
    for key in &keys {
        let good = issuer.issue(key, &said).unwrap().expose().to_owned();
        let verifier = Verifier { issuer: issuer.clone(), audience: Service::Chatbot };
        let judge = |token: &[u8]| verifier.verify(token, &known, NOW);
        // The first use of an algorithm may set something up.
        assert!(judge(good.as_bytes()).is_ok());
        let texts = forged(&good);
        let most = most_allocated(&texts, judge);
        assert_eq!(most, 0, "{key:?}");
        let (longest, text) = longest(&texts, judge);
        let a_good_one = least(|| drop(judge(good.as_bytes())));
        assert!(longest < a_good_one * SLOWER, "{longest} ns, and {a_good_one} of a good one: {text}");
    }
}

/// So many times as long as a good one may a refused one take: what is signed may be eight times as long.
const SLOWER: f64 = 8.0;

/// The least CPU time of some calls, in nanoseconds: whatever else the machine does makes them longer.
fn least(call: impl Fn()) -> f64 {
    (0..9).map(|_| each(1, &call)).fold(f64::INFINITY, f64::min)
}

/// The text that takes longest to be judged.
fn longest<T>(texts: &[String], judge: impl Fn(&[u8]) -> Result<T, Refusal>) -> (f64, &str) {
    let times = texts.iter().map(|text| (least(|| drop(judge(text.as_bytes()))), text.as_str()));
    times.max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap()
}

/// The same of tokens of the earlier system.
#[test]
fn a_token_that_the_earlier_system_did_not_sign_has_nothing_allocated() {
    let tokens = EarlierTokens::new(SECRET, NOW + LONGEST).unwrap();
    let said = format!(r#"{{"sub":"alice@example.com","exp":{}}}"#, NOW.millis() / 1000 + 600);
    let signed = format!("{}.{}", encoded(r#"{"alg":"HS256","typ":"JWT"}"#), encoded(said));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(signed.as_bytes());
    let good = format!("{signed}.{}", encoded(mac.finalize().into_bytes()));
    assert!(tokens.verify(good.as_bytes(), NOW).is_ok());
    let texts = forged(&good);
    assert_eq!(most_allocated(&texts, |token| tokens.verify(token, NOW)), 0);
    // To make this MAC costs less than to check any signature.
    let key = SigningKey::generate(Algorithm::EdDsa, &OsEntropy).unwrap();
    let issuer = Issuer::parse("https://chat.example.com").unwrap();
    let signed = issuer.issue(&key, &claims(1)).unwrap().expose().to_owned();
    let keys = [VerifyingKey { key: Arc::clone(key.public()), ends_at: None }];
    let verifier = Verifier { issuer, audience: Service::Chatbot };
    let a_good_one = least(|| drop(verifier.verify(signed.as_bytes(), &keys, NOW)));
    let (longest, text) = longest(&texts, |token| tokens.verify(token, NOW));
    assert!(longest < a_good_one * SLOWER, "{longest} ns, and {a_good_one} of a good access token: {text}");
    // What is counted is counted.
    let read = allocation_counter::measure(|| drop(tokens.read(good.as_bytes(), NOW)));
    assert!(read.bytes_total > 0);
}
