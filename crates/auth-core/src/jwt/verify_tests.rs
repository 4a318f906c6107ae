use super::*;
use crate::{
    amr::{Amr, Method},
    entropy::Entropy,
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{Algorithm, JwkSet, SigningKey},
    model::DomainName,
    policy::Role,
};
use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
use proptest::prelude::*;
use std::sync::LazyLock;

struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn keys() -> &'static [SigningKey; 3] {
    static KEYS: LazyLock<[SigningKey; 3]> =
        LazyLock::new(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm, &Fixed(7)).unwrap()));
    &KEYS
}

/// The public halves, as the Hub gets them: through a published set.
fn known() -> &'static [VerifyingKey] {
    static KNOWN: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
        let json = JwkSet::to_json(keys().iter().map(|key| key.public().as_ref()));
        let keys = JwkSet::parse(json.as_bytes()).unwrap().into_keys();
        keys.into_iter().map(|key| VerifyingKey { key: Arc::new(key), ends_at: None }).collect()
    });
    &KNOWN
}

fn issuer() -> Issuer {
    Issuer::parse("https://chat.example.com").unwrap()
}

fn verifier() -> Verifier {
    Verifier { issuer: issuer(), audience: Service::Chatbot }
}

fn judge(token: &[u8]) -> Result<Claims, Refusal> {
    verifier().verify(token, known(), NOW)
}

fn claims() -> Claims {
    Claims {
        id: AccessTokenId::from_bytes([1; 16]),
        person: PersonId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        audience: Service::Chatbot,
        issued_at: NOW,
        expires_at: NOW + LIFE,
        role: Some(Role::IsAdmin),
        domain: Some(DomainName::parse("example.com").unwrap()),
        amr: Amr::of([Method::Password, Method::OneTimePassword]),
        auth_time: NOW,
    }
}

fn issued(key: &SigningKey, claims: &Claims) -> String {
    issuer().issue(key, claims).unwrap().expose().to_owned()
}

/// A token of any header and any claims, signed by a key that is known.
fn forged(key: &SigningKey, head: &[u8], json: &[u8]) -> String {
    let mut text = format!("{}.{}", BASE64URL_NOPAD.encode(head), BASE64URL_NOPAD.encode(json));
    key.sign(&mut text).unwrap();
    text
}

fn head_of(key: &SigningKey) -> Vec<u8> {
    BASE64URL_NOPAD.decode(key.public().head().as_bytes()).unwrap()
}

fn json() -> String {
    claims().to_json(issuer().as_str())
}

/// The claims with one text in place of another; there must be something to replace.
fn altered(from: &str, to: &str) -> String {
    let altered = json().replacen(from, to, 1);
    assert_ne!(altered, json(), "{from}");
    altered
}

fn judge_claims(json: &str) -> Result<Claims, Refusal> {
    let [key, ..] = keys();
    judge(forged(key, &head_of(key), json.as_bytes()).as_bytes())
}

#[test]
fn what_is_issued_is_read_back_with_each_algorithm() {
    for key in keys() {
        let token = issued(key, &claims());
        assert!(begins_as_jwt(token.as_bytes()) && token.len() < MOST_BYTES);
        assert_eq!(judge(token.as_bytes()), Ok(claims()), "{key:?}");
        let bare = Claims { role: None, domain: None, ..claims() };
        assert_eq!(judge(issued(key, &bare).as_bytes()), Ok(bare));
        let copy = SigningKey::from_pkcs8(key.public().algorithm(), &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(judge(issued(&copy, &claims()).as_bytes()), Ok(claims()));
        for other in Algorithm::ALL.into_iter().filter(|other| *other != key.public().algorithm()) {
            assert!(SigningKey::from_pkcs8(other, &key.to_pkcs8().unwrap()).is_err(), "{key:?} as {other}");
        }
    }
}

/// What is remembered of a token is remembered until `expires_at`: so that is not after the end of its key.
#[test]
fn a_token_ends_with_its_key() {
    let [key, ..] = keys();
    let token = issued(key, &claims());
    let judge = |ends_at, now| {
        let known = [VerifyingKey { key: Arc::clone(key.public()), ends_at: Some(ends_at) }];
        verifier().verify(token.as_bytes(), &known, now).map(|claims| claims.expires_at)
    };
    let (end, millisecond) = (NOW + LIFE / 2, Duration::from_millis(1));
    assert_eq!(judge(end, NOW), Ok(end));
    assert_eq!(judge(NOW + LIFE * 2, NOW), Ok(NOW + LIFE));
    assert_eq!(judge(end, Timestamp::from_millis(end.millis() - 1)), Ok(end));
    assert_eq!(judge(end, end), Err(Refusal::Expired));
    assert_eq!(judge(end, end + millisecond), Err(Refusal::Expired));
    // Whose clock is behind by years takes none of a key that ended at once.
    assert_eq!(judge(Timestamp::EPOCH, Timestamp::EPOCH), Err(Refusal::Expired));
}

/// The library takes whatever is taken here, and reads the same in it.
#[test]
fn the_library_reads_what_is_issued() {
    for key in keys() {
        let jwk: Jwk = serde_json::from_str(&key.public().to_jwk()).unwrap();
        let mut wanted = Validation::new(key.public().algorithm().name().parse().unwrap());
        wanted.set_audience(&["chatbot"]);
        wanted.set_issuer(&[issuer().as_str()]);
        wanted.validate_exp = false;
        let read = jsonwebtoken::decode::<serde_json::Value>(
            issued(key, &claims()),
            &DecodingKey::from_jwk(&jwk).unwrap(),
            &wanted,
        );
        let read = read.unwrap();
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(read.header.kid.as_deref(), Some(key.public().kid().as_str()));
        assert_eq!(read.claims, serde_json::from_str::<serde_json::Value>(&json()).unwrap());
    }
}

/// Rows A1 to A7, A12 and A13: a header that is not ours, byte for byte, is nobody's, whoever signed it.
#[test]
fn no_other_header_is_taken() {
    for key in keys() {
        let (alg, kid) = (key.public().algorithm(), key.public().kid());
        let jwk = key.public().to_jwk();
        let heads = [
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"JWT"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#),
            format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","crit":[]}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","crit":null}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","crit":["exp"]}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","crit":["b64"],"b64":false}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","jwk":{jwk}}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","jku":"https://evil.example/"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt","x5u":"https://evil.example/"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","\u006bid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"../../dev/null","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"' OR 1=1 --","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","kid":["{kid}"],"typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{kid}\u0000","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"{alg}","kid":"{}","typ":"at+jwt"}}"#, "k".repeat(500)),
            format!(r#"{{"alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"None","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":["{alg}"],"kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":null,"kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"RS512","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#"{{"alg":"PS256","kid":"{kid}","typ":"at+jwt"}}"#),
            format!(r#" {{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#),
            "{}".to_owned(),
            String::new(),
        ];
        for head in heads {
            let token = forged(key, head.as_bytes(), json().as_bytes());
            assert_eq!(judge(token.as_bytes()), Err(Refusal::Unknown), "{head}");
        }
    }
}

/// Row A3: a header that is known, over a signature by another key.
#[test]
fn the_header_of_one_key_is_no_other_keys() {
    for key in keys() {
        for other in keys().iter().filter(|other| other.public().kid() != key.public().kid()) {
            let token = forged(key, &head_of(other), json().as_bytes());
            assert!(judge(token.as_bytes()).is_err(), "{key:?} {other:?}");
        }
    }
}

/// Row A2: a MAC with whatever an attacker knows of the public keys.
#[test]
fn a_mac_with_what_is_public_is_no_signature() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    for key in keys() {
        let jwk = key.public().to_jwk();
        let set = JwkSet::to_json(keys().iter().map(|key| key.public().as_ref()));
        for secret in [
            jwk.as_bytes(),
            set.as_bytes(),
            key.public().head().as_bytes(),
            key.public().kid().as_str().as_bytes(),
        ] {
            for alg in ["HS256", key.public().algorithm().name()] {
                let head = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"at+jwt"}}"#, key.public().kid());
                let signed = format!(
                    "{}.{}",
                    BASE64URL_NOPAD.encode(head.as_bytes()),
                    BASE64URL_NOPAD.encode(json().as_bytes())
                );
                let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
                mac.update(signed.as_bytes());
                let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()));
                assert!(judge(token.as_bytes()).is_err(), "{alg}");
            }
        }
    }
}

/// The order of P-256.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519, least byte first.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Rows A8 to A10: signatures that careless verifiers take.
#[test]
fn no_made_up_signature_is_taken() {
    let [ed, ec, rsa] = keys();
    let swap = |token: &str, signature: &[u8]| {
        let (signed, _) = token.rsplit_once('.').unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature))
    };
    let signature_of =
        |token: &str| BASE64URL_NOPAD.decode(token.rsplit_once('.').unwrap().1.as_bytes()).unwrap();
    let refused = |token: String| assert!(judge(token.as_bytes()).is_err(), "{token}");

    let token = issued(ec, &claims());
    let one = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };
    let below = {
        let mut below = N;
        below[31] -= 1;
        below
    };
    for r in [[0; 32], one, below, N] {
        for s in [[0; 32], one, below, N] {
            refused(swap(&token, &[r, s].concat()));
        }
    }
    let good = signature_of(&token);
    let der = [&[0x30, 0x44, 2, 0x20], &good[..32], &[2, 0x20], &good[32..]].concat();
    for wrong in [der, good[..63].to_vec(), [&good[..], &[0]].concat(), Vec::new(), vec![0; 96]] {
        refused(swap(&token, &wrong));
    }

    let token = issued(ed, &claims());
    let good = signature_of(&token);
    let (r, s) = good.split_at(32);
    let mut carry = 0;
    let plus: Vec<u8> = s
        .iter()
        .zip(L)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    refused(swap(&token, &[r, &plus].concat()));
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    for small in [identity, [0; 32]] {
        refused(swap(&token, &[small.as_slice(), &[0; 32]].concat()));
        refused(swap(&token, &[small.as_slice(), s].concat()));
    }
    let mut high = good.clone();
    high[63] |= 0xe0;
    refused(swap(&token, &high));

    let token = issued(rsa, &claims());
    let good = signature_of(&token);
    for wrong in [vec![0; 256], vec![0xff; 256], {
        let mut one = vec![0; 256];
        one[255] = 1;
        one
    }] {
        refused(swap(&token, &wrong));
    }
    for wrong in [&good[..255], &[&[0], &good[..]].concat(), &[&good[..], &[0]].concat()] {
        refused(swap(&token, wrong));
    }
}

/// Row A9: an ECDSA signature has a twin, which verifies. So nothing may hang on the text of a token.
#[test]
fn the_twin_of_a_signature_says_the_same() {
    let [_, ec, _] = keys();
    let token = issued(ec, &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let good = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let mut borrow = 0;
    let mut twin = good.clone();
    for (at, byte) in N.iter().enumerate().rev() {
        let difference = i16::from(*byte) - i16::from(good[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let twin = format!("{signed}.{}", BASE64URL_NOPAD.encode(&twin));
    assert_ne!(twin, token);
    assert_eq!(judge(twin.as_bytes()), Ok(claims()));
}

/// Rows A11 to A13 and A22: other forms of a token, and too much of one.
#[test]
fn there_is_one_form_alone() {
    let [key, ..] = keys();
    let token = issued(key, &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = signed.split_once('.').unwrap();
    let unpadded = signature.trim_end_matches('=');
    let mut tail = unpadded.as_bytes().to_vec();
    // The last character of 64 bytes has four bits that say nothing.
    let last = tail.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { *last + 1 };
    let json = format!(r#"{{"payload":"{body}","protected":"{head}","signature":"{signature}"}}"#);
    for wrong in [
        format!("{token}="),
        format!("{signed}.{signature}=="),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{head}.{body} .{signature}"),
        format!("{signed}.{}", String::from_utf8(tail).unwrap()),
        token.replace('-', "+").replace('_', "/"),
        json.clone(),
        format!("{json}.{body}.{signature}"),
        format!("{head}.{body}.{body}.{body}.{signature}"),
        format!("{token}{}", "A".repeat(MOST_BYTES)),
        "a".repeat(1 << 20),
        ".".repeat(MOST_BYTES),
        String::new(),
    ] {
        assert!(wrong == token || judge(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let long = Claims { domain: None, ..claims() }.to_json(&"x".repeat(MOST_BYTES));
    assert_eq!(judge(forged(key, &head_of(key), long.as_bytes()).as_bytes()), Err(Refusal::Malformed));
}

/// Rows A14, A15, A17, A20 and A23, signed by a key that is known.
#[test]
fn claims_are_taken_in_their_one_form_alone() {
    let id = "02020202-0202-0202-0202-020202020202";
    for wrong in [
        altered("{", r#"{"exp":4000000000,"#),
        altered("{", r#"{"\u0065xp":4000000000,"#),
        altered("{", r#"{"admin":true,"#),
        altered("{", r#"{"sub":"01010101-0101-0101-0101-010101010101","#),
        altered(r#""sub":"#, r#""s\u0075b":"#),
        altered(r#","exp":1800000600"#, ""),
        altered("1800000600", "null"),
        altered("1800000600", r#""1800000600""#),
        altered("1800000600", "1800000600.0"),
        altered("1800000600", "1.8e9"),
        altered("1800000600", "-1"),
        altered("1800000600", "18446744073709551616"),
        altered("1800000600", "1800000600000"),
        altered("1800000600", "[1800000600]"),
        altered("1800000600", r#""never""#),
        altered(r#""nbf":1800000000"#, r#""nbf":null"#),
        altered(r#""nbf":1800000000"#, r#""nbf":1800000001"#),
        altered(r#","iat":1800000000"#, ""),
        altered(r#","auth_time":1800000000"#, ""),
        altered(id, ""),
        altered(id, "alice@example.com"),
        altered(&format!(r#""{id}""#), "null"),
        altered(&format!(r#""{id}""#), &format!(r#"["{id}"]"#)),
        altered(id, &id.to_uppercase().replace('0', "A")),
        altered("first-party", "third-party"),
        altered(r#""is_admin""#, r#""root""#),
        altered(r#"["is_admin"]"#, "[]"),
        altered(r#"["is_admin"]"#, r#"["is_admin","super_admin"]"#),
        altered(r#"["is_admin"]"#, "null"),
        altered(r#"["is_admin"]"#, r#""is_admin""#),
        altered("example.com\",\"acr", "Example.com\",\"acr"),
        altered(r#""domain":"example.com""#, r#""domain":null"#),
        altered(r#""acr":"mfa""#, r#""acr":"pwd""#),
        altered(r#"["pwd","otp","mfa"]"#, r#"["mfa"]"#),
        format!("{}x", json()),
        format!("\u{feff}{}", json()),
        json().replace('}', ""),
        "null".to_owned(),
        "[]".to_owned(),
        String::new(),
        format!("{}{}", "[".repeat(700), "]".repeat(700)),
    ] {
        assert_eq!(judge_claims(&wrong), Err(Refusal::Malformed), "{wrong}");
    }
    for (from, to) in [
        (r#""https://chat.example.com""#, r#""https://chat.example.com/""#),
        (r#""https://chat.example.com""#, r#""https://chat.example.co""#),
        (r#""https://chat.example.com""#, r#""https://CHAT.example.com""#),
        (r#""https://chat.example.com""#, r#""""#),
        (r#""aud":"chatbot""#, r#""aud":"hub""#),
        (r#""aud":"chatbot""#, r#""aud":"Chatbot""#),
        (r#""aud":"chatbot""#, r#""aud":"chatbots""#),
    ] {
        assert_eq!(judge_claims(&altered(from, to)), Err(Refusal::Unknown), "{to}");
    }
    for other in [r#"["chatbot"]"#, r#"["hub","chatbot"]"#, "null", "1"] {
        let wrong = altered(r#""aud":"chatbot""#, &format!(r#""aud":{other}"#));
        assert_eq!(judge_claims(&wrong), Err(Refusal::Malformed), "{other}");
    }
    let [key, ..] = keys();
    for bytes in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        let mut wrong = json().into_bytes();
        let at = json().find("example.com\",\"acr").unwrap();
        wrong.splice(at..at, bytes.iter().copied());
        assert_eq!(judge(forged(key, &head_of(key), &wrong).as_bytes()), Err(Refusal::Malformed));
    }
}

/// Row A16, to the second.
#[test]
fn the_end_has_no_leeway_and_the_beginning_a_minute() {
    let [key, ..] = keys();
    let token = issued(key, &claims());
    let at = |seconds: i64| {
        verifier().verify(token.as_bytes(), known(), Timestamp::from_millis(NOW.millis() + seconds * 1000))
    };
    assert!(at(599).is_ok());
    assert_eq!(at(600), Err(Refusal::Expired));
    assert_eq!(at(601), Err(Refusal::Expired));
    assert!(at(-60).is_ok());
    assert_eq!(at(-61), Err(Refusal::Malformed));
    let longer = Claims { expires_at: NOW + LIFE + Duration::from_secs(1), ..claims() };
    assert_eq!(judge(issued(key, &longer).as_bytes()), Err(Refusal::Malformed), "longer than is issued");
    let none = Claims { expires_at: NOW, ..claims() };
    assert_eq!(judge(issued(key, &none).as_bytes()), Err(Refusal::Malformed), "ended when it began");
    let later = Claims { auth_time: NOW + LEEWAY + Duration::from_secs(1), ..claims() };
    assert_eq!(judge(issued(key, &later).as_bytes()), Err(Refusal::Malformed), "logged in tomorrow");
}

#[test]
fn a_key_that_ended_verifies_no_more() {
    let [key, ..] = keys();
    let token = issued(key, &claims());
    let ends = |ends_at: Option<Timestamp>| {
        let json = JwkSet::to_json([key.public().as_ref()]);
        let keys = JwkSet::parse(json.as_bytes()).unwrap().into_keys();
        let keys: Vec<_> = keys.into_iter().map(|key| VerifyingKey { key: Arc::new(key), ends_at }).collect();
        verifier().verify(token.as_bytes(), &keys, NOW)
    };
    assert!(ends(None).is_ok());
    assert!(ends(Some(NOW + Duration::from_millis(1))).is_ok());
    assert_eq!(ends(Some(NOW)), Err(Refusal::Expired));
    assert_eq!(verifier().verify(token.as_bytes(), &[], NOW), Err(Refusal::Unknown));
}

#[test]
fn an_issuer_has_one_form() {
    for good in ["https://chat.example.com", "http://127.0.0.1:8009", "https://chat.example.com:8443"] {
        assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
    }
    for wrong in [
        "",
        "chat.example.com",
        "https://chat.example.com/",
        "https://chat.example.com/a",
        "https://Chat.example.com",
        "https://chat.example.com:443",
        "ftp://chat.example.com",
        "https://a@chat.example.com",
        "https://chat.example.com?a",
    ] {
        assert!(Issuer::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    /// Row A11: whatever is changed in a token, it is refused, or says what it said.
    #[test]
    fn no_changed_byte_is_taken(at: prop::sample::Index, byte: u8, which in 0_usize..3) {
        let key = &keys()[which];
        let good = issued(key, &claims()).into_bytes();
        let mut token = good.clone();
        let at = at.index(token.len());
        token[at] = byte;
        prop_assert!(token == good || judge(&token).is_err());
        token = good.clone();
        token.insert(at, byte);
        prop_assert!(judge(&token).is_err());
        token = good;
        token.remove(at);
        prop_assert!(judge(&token).is_err());
    }

    /// Whatever bytes there are, they are refused.
    #[test]
    fn no_bytes_are_a_token(bytes: Vec<u8>, dots in prop::collection::vec(any::<prop::sample::Index>(), 2)) {
        let mut bytes = bytes;
        for dot in dots {
            let at = dot.index(bytes.len() + 1);
            bytes.insert(at, b'.');
        }
        prop_assert!(judge(&bytes).is_err());
    }

    /// Whatever is taken here, the library takes, too, and reads the same; what is made by the known key and taken by the
    /// library, and not here, is of another form.
    #[test]
    fn nothing_is_taken_that_the_library_refuses(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,6}"), 0..3),
        resign: bool,
    ) {
        let [key, ..] = keys();
        let mut claims = json();
        for (from, length, text) in cuts {
            let from = from.index(claims.len());
            let to = from + length.index(claims.len() - from).min(8);
            claims.replace_range(from..to, &text);
        }
        let good = issued(key, &self::claims());
        let token = if resign {
            forged(key, &head_of(key), claims.as_bytes())
        } else {
            let (signed, signature) = good.rsplit_once('.').unwrap();
            let (head, _) = signed.split_once('.').unwrap();
            format!("{head}.{}.{signature}", BASE64URL_NOPAD.encode(claims.as_bytes()))
        };
        if let Ok(read) = judge(token.as_bytes()) {
            let jwk: Jwk = serde_json::from_str(&key.public().to_jwk()).unwrap();
            let mut wanted = Validation::new(jsonwebtoken::Algorithm::EdDSA);
            wanted.set_audience(&["chatbot"]);
            wanted.set_issuer(&[issuer().as_str()]);
            wanted.validate_exp = false;
            let theirs = jsonwebtoken::decode::<serde_json::Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &wanted);
            let theirs = theirs.unwrap().claims;
            prop_assert_eq!(&theirs["sub"], &serde_json::json!(read.person.to_string()));
            prop_assert_eq!(&theirs["exp"], &serde_json::json!(read.expires_at.millis() / 1000));
            let wire: Wire<'_> = serde_json::from_str(&claims).unwrap();
            prop_assert_eq!(read.to_json(issuer().as_str()), serde_json::to_string(&wire).unwrap());
        }
    }
}
