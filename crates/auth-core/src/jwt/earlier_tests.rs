use super::*;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret of the earlier system, long enough";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const NOW_S: u64 = 1_800_000_000;
const HEAD: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn taken() -> EarlierTokens {
    EarlierTokens::new(SECRET, NOW + LONGEST * 30).unwrap()
}

fn signed(secret: &[u8], head: &str, claims: &str) -> String {
    let text =
        format!("{}.{}", BASE64URL_NOPAD.encode(head.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

fn claims() -> Value {
    json!({ "sub": "alice@example.com", "exp": NOW_S + 1800 })
}

/// The claims with some more, or others, of these members.
fn with(more: Value) -> String {
    let mut claims = claims();
    let (Value::Object(all), Value::Object(more)) = (&mut claims, more) else { panic!("an object") };
    all.extend(more);
    claims.to_string()
}

fn judge(tokens: &EarlierTokens, claims: &str) -> Result<EarlierToken, Refusal> {
    let token = signed(SECRET, HEAD, claims);
    let read = tokens.read(token.as_bytes(), NOW);
    // Whoever has seen it before is told no more than whoever has not.
    if let Ok(read) = &read {
        assert_eq!(tokens.verify(token.as_bytes(), NOW), Ok(read.seen));
    }
    read
}

#[test]
fn what_the_earlier_system_issued_is_read() {
    let tokens = taken();
    let read = judge(&tokens, &claims().to_string()).unwrap();
    assert_eq!((read.address().as_str(), read.domain()), ("alice@example.com", None));
    assert_eq!(read.expires_at(), NOW + Duration::from_secs(1800));
    let whole = with(json!({ "iat": NOW_S, "nbf": NOW_S, "type": "access", "domain": "example.com" }));
    let read = judge(&tokens, &whole).unwrap();
    assert_eq!(read.domain().map(DomainName::as_str), Some("example.com"));
    // As its libraries write it, in either order of the header.
    let written =
        jsonwebtoken::encode(&Header::default(), &claims(), &EncodingKey::from_secret(SECRET)).unwrap();
    let others = signed(SECRET, r#"{"typ":"JWT","alg":"HS256"}"#, &claims().to_string());
    for token in [written, others] {
        assert!(
            EarlierTokens::are_named_by(token.as_bytes()) && super::super::begins_as_jwt(token.as_bytes())
        );
        let read = tokens.read(token.as_bytes(), NOW).unwrap();
        assert_eq!(read.address().as_str(), "alice@example.com");
        let mut wanted = Validation::new(jsonwebtoken::Algorithm::HS256);
        wanted.validate_exp = false;
        jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_secret(SECRET), &wanted).unwrap();
    }
}

/// Rows A1 to A7 and A13: whatever the header says else, also one of our own keys, is none of these.
#[test]
fn no_other_header_is_taken() {
    let heads = [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"HS512","typ":"JWT"}"#,
        r#"{"alg":"hs256","typ":"JWT"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#,
        r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"JWT","alg":"HS256"}"#,
        r#" {"alg":"HS256","typ":"JWT"}"#,
        "{}",
        "",
    ];
    for head in heads {
        let token = signed(SECRET, head, &claims().to_string());
        assert!(!EarlierTokens::are_named_by(token.as_bytes()), "{head}");
        assert_eq!(taken().verify(token.as_bytes(), NOW), Err(Refusal::Malformed), "{head}");
    }
}

#[test]
fn what_another_secret_signed_is_nobodys() {
    for other in [&b"another secret of another system, long enough"[..], b"", &SECRET[..32]] {
        let token = signed(other, HEAD, &claims().to_string());
        assert_eq!(taken().verify(token.as_bytes(), NOW), Err(Refusal::Unknown));
    }
    // A secret that can be guessed from a token is not taken at all.
    for weak in [&SECRET[..31], &[b'a'; 64], b"changemechangemechangemechangeme"].into_iter().chain(KNOWN) {
        assert_eq!(EarlierTokens::new(weak, NOW).err(), Some(NotEarlier::Weak));
    }
}

/// Rows A14 to A17, A22 and A23.
#[test]
fn what_it_says_is_read_in_one_way() {
    let far = NOW_S + LONGEST.as_secs();
    let malformed = [
        with(json!({ "sub": null })),
        with(json!({ "sub": 1 })),
        with(json!({ "sub": "" })),
        with(json!({ "sub": "alice" })),
        // What is another account where letters count as they are written.
        with(json!({ "sub": "Alice@example.com" })),
        with(json!({ "sub": "alice@EXAMPLE.com" })),
        with(json!({ "sub": " alice@example.com" })),
        with(json!({ "sub": "ali\u{212a}e@example.com" })),
        with(json!({ "sub": "alice@b\u{fc}cher.example" })),
        with(json!({ "domain": "Example.com" })),
        with(json!({ "sub": "alice@example.com\u{0}" })),
        with(json!({ "sub": ["alice@example.com"] })),
        with(json!({ "exp": null })),
        with(json!({ "exp": (NOW_S + 60).to_string() })),
        with(json!({ "exp": NOW_S as f64 + 60.5 })),
        with(json!({ "exp": -1 })),
        with(json!({ "exp": u64::MAX })),
        with(json!({ "exp": (NOW_S + 60) * 1000 })),
        with(json!({ "exp": far + 1 })),
        with(json!({ "iat": NOW_S + 61 })),
        with(json!({ "nbf": NOW_S + 61 })),
        with(json!({ "iat": NOW_S, "exp": NOW_S })),
        // The last day of what was made to last for a month.
        with(json!({ "iat": NOW_S - 30 * LONGEST.as_secs() })),
        with(json!({ "iat": NOW_S + 1800 - LONGEST.as_secs() - 1 })),
        with(json!({ "iat": null })),
        with(json!({ "domain": "*" })),
        with(json!({ "domain": null })),
        // Refresh tokens of the same secret, and whatever says something that nobody expects.
        with(json!({ "type": "refresh" })),
        with(json!({ "type": null })),
        with(json!({ "role": "super_admin" })),
        with(json!({ "token_type": "refresh" })),
        r#"{"exp":1800001800}"#.to_owned(),
        r#"{"sub":"alice@example.com"}"#.to_owned(),
        r#"{"sub":"alice@example.com","sub":"bob@example.com","exp":1800001800}"#.to_owned(),
        r#"{"sub":"alice@example.com","s\u0075b":"bob@example.com","exp":1800001800}"#.to_owned(),
        r#"{"sub":"alice@example.com","exp":1800001800}x"#.to_owned(),
        r#"["alice@example.com",1800001800]"#.to_owned(),
        "\u{feff}{}".to_owned(),
        "{".repeat(1000),
        String::new(),
    ];
    for claims in malformed {
        assert_eq!(judge(&taken(), &claims), Err(Refusal::Malformed), "{claims}");
    }
    let longest = json!({ "iat": NOW_S + 1800 - LONGEST.as_secs() });
    for claims in [longest, json!({ "exp": far }), json!({ "iat": NOW_S + 60 }), json!({ "nbf": NOW_S + 60 })]
    {
        assert!(judge(&taken(), &with(claims.clone())).is_ok(), "{claims}");
    }
    // Issuer and audience are exactly what is said, or are not there.
    let named = || taken().named(Some("earlier".to_owned()), Some("chatbot".to_owned()));
    let right = json!({ "iss": "earlier", "aud": "chatbot" });
    assert!(judge(&named(), &with(right.clone())).is_ok());
    assert_eq!(judge(&taken(), &with(right)), Err(Refusal::Unknown));
    for wrong in [
        json!({}),
        json!({ "iss": "earlier" }),
        json!({ "iss": "Earlier", "aud": "chatbot" }),
        json!({ "iss": "earlier", "aud": "hub" }),
    ] {
        assert_eq!(judge(&named(), &with(wrong.clone())), Err(Refusal::Unknown), "{wrong}");
    }
    let listed = with(json!({ "iss": "earlier", "aud": ["chatbot"] }));
    assert_eq!(judge(&named(), &listed), Err(Refusal::Malformed));
}

/// What is passed over is what was said to be, and nothing that is judged.
#[test]
fn members_that_were_named_are_passed_over() {
    let named = |names: &[&str]| taken().beside(names.iter().map(|name| (*name).to_owned()).collect());
    let claims = with(json!({ "role": { "deep": ["super_admin"] }, "name": "Al\"ice" }));
    assert!(judge(&named(&["role", "name"]).unwrap(), &claims).is_ok());
    assert_eq!(judge(&named(&["role"]).unwrap(), &claims), Err(Refusal::Malformed));
    for name in JUDGED {
        assert_eq!(named(&[name]).err(), Some(NotEarlier::Judged(name.to_owned())));
    }
}

/// Row A16: to the second, and none is taken from the day on that was said.
#[test]
fn it_ends_to_the_millisecond_and_with_the_migration() {
    let end = NOW + Duration::from_secs(1800);
    let before = Timestamp::from_millis(end.millis() - 1);
    let token = signed(SECRET, HEAD, &claims().to_string());
    let at = |tokens: &EarlierTokens, now| tokens.verify(token.as_bytes(), now).map(|seen| seen.expires_at);
    assert_eq!(at(&taken(), before), Ok(end));
    assert_eq!(at(&taken(), end), Err(Refusal::Expired));
    let until = NOW + Duration::from_secs(60);
    let ending = EarlierTokens::new(SECRET, until).unwrap();
    assert_eq!(at(&ending, NOW), Ok(until));
    assert_eq!(at(&ending, until), Err(Refusal::Expired));
    // The day changes when it ends, and not which session it stands for.
    let session = |tokens: &EarlierTokens| tokens.verify(token.as_bytes(), NOW).unwrap().session;
    assert_eq!(session(&taken()), session(&ending));
    let other = signed(SECRET, HEAD, &with(json!({ "iat": NOW_S })));
    assert_ne!(taken().verify(other.as_bytes(), NOW).unwrap().session, session(&taken()));
}

/// However new it is, it does not say when its person showed their password: that may be a day ago.
#[test]
fn it_is_fresh_for_nothing() {
    for life in [1, 1800, LONGEST.as_secs()] {
        let read = judge(&taken(), &with(json!({ "exp": NOW_S + life, "iat": NOW_S }))).unwrap();
        assert!(read.auth_time() + FRESH < NOW, "{life}");
    }
}

proptest! {
    /// Whichever bit is another one, it is none.
    #[test]
    fn no_altered_token_is_taken(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let token = signed(SECRET, HEAD, &claims().to_string());
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(taken().verify(&bytes, NOW).is_err(), "{}", at);
    }

    /// Whatever is sent, it is an answer.
    #[test]
    fn nothing_makes_it_fail(claims in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = format!("{}.{}", BASE64URL_NOPAD.encode(HEAD.as_bytes()), BASE64URL_NOPAD.encode(&claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        mac.update(text.as_bytes());
        let token = format!("{text}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()));
        let _ = taken().read(token.as_bytes(), NOW);
    }
}
