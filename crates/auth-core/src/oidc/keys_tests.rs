use super::*;
use crate::oidc::signers::{Signer, signers};

/// The names of the keys that are taken of a set.
fn names(json: impl AsRef<[u8]>) -> Result<Vec<String>, NotProviderKeys> {
    ProviderKeys::parse(json.as_ref()).map(|keys| keys.0.into_iter().map(|(name, _)| name).collect())
}

fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A set of a good key and another one.
fn beside(jwk: &str) -> Result<Vec<String>, NotProviderKeys> {
    let [ed, ..] = signers();
    names(set(&[&ed.jwk(), jwk]))
}

/// A key with another member.
fn and(signer: &Signer, kid: &str, member: &str) -> String {
    format!(r#"{{{},"kid":"{kid}",{member}}}"#, signer.members())
}

fn passed_over() -> Result<Vec<String>, NotProviderKeys> {
    Ok(vec!["ed-1".to_owned()])
}

fn taken(kid: &str) -> Result<Vec<String>, NotProviderKeys> {
    Ok(vec!["ed-1".to_owned(), kid.to_owned()])
}

#[test]
fn keys_of_each_kind_are_taken_by_their_names() {
    let all = signers().each_ref().map(Signer::jwk);
    let json = set(&all.each_ref().map(String::as_str));
    assert_eq!(names(&json), Ok(vec!["ed-1".to_owned(), "ec-1".to_owned(), "rsa-1".to_owned()]));
    let keys = ProviderKeys::parse(json.as_bytes()).unwrap();
    for signer in signers() {
        let key = keys.named(signer.kid).unwrap();
        assert_eq!(key.algorithm().name(), signer.alg);
        assert!(
            key.verifies(b"text", &signer.sign(b"text")) && !key.verifies(b"texts", &signer.sign(b"text"))
        );
        let other = keys.named(&signer.kid.to_uppercase()).or_else(|| keys.named(""));
        assert!(other.is_none() && keys.named(&signer.kid[1..]).is_none());
    }
    assert_eq!(names(r#"{"keys":[]}"#), Ok(Vec::new()));
    assert!(ProviderKeys::default().named("ed-1").is_none());
}

#[test]
fn what_a_key_says_beside_is_passed_over() {
    for signer in signers() {
        for member in [
            r#""x5c":["MIIB"],"x5t":"a","x5t#S256":"b","x5u":"https://evil.example/""#,
            r#""issuer":"https://login.microsoftonline.com/{tenantid}/v2.0""#,
            r#""cloud_instance_name":"microsoftonline.com""#,
            r#""key_ops":["verify"],"ext":true,"nbf":1,"D":"x","K":"x""#,
            r#""use":"sig""#,
            r#""x":{"d":1}"#,
        ] {
            let member = member.replace(r#""x":{"#, r#""other":{"#);
            assert_eq!(beside(&and(signer, "k", &member)), taken("k"), "{member}");
        }
        assert_eq!(beside(&and(signer, "k", &format!(r#""alg":"{}""#, signer.alg))), taken("k"));
        // Names are the provider's own.
        for kid in ["", " ", "é", "../../dev/null", "\\u0061", &"k".repeat(500)] {
            assert_eq!(beside(&and(signer, kid, r#""a":1"#)).map(|names| names.len()), Ok(2), "{kid}");
        }
    }
    let [ed, ..] = signers();
    let json = format!(r#" {{"a":[{{"d":1}}],"keys":[{}],"k":1,"d":2}}{}"#, ed.jwk(), "\n");
    assert_eq!(names(json), passed_over(), "members of the set say nothing");
}

#[test]
fn what_signs_no_token_is_none_of_the_set() {
    for signer in signers() {
        for member in [
            r#""use":"enc""#,
            r#""use":"SIG""#,
            r#""use":"""#,
            r#""alg":"none""#,
            r#""alg":"HS256""#,
            r#""alg":"RS384""#,
            r#""alg":"RS512""#,
            r#""alg":"PS256""#,
            r#""alg":"ES384""#,
            r#""alg":"RSA-OAEP""#,
            r#""alg":"Ed25519""#,
            r#""alg":"rs256""#,
            r#""alg":"""#,
        ] {
            assert_eq!(beside(&and(signer, "k", member)), passed_over(), "{member}");
        }
        for other in signers().iter().filter(|other| other.alg != signer.alg) {
            let jwk = and(signer, "k", &format!(r#""alg":"{}""#, other.alg));
            assert_eq!(beside(&jwk), passed_over(), "{jwk}");
        }
        let nameless = format!("{{{}}}", signer.members());
        assert_eq!(beside(&nameless), passed_over());
        assert_eq!(names(set(&[&nameless, &nameless])), Ok(Vec::new()));
    }
    for unknown in [
        r#"{"kty":"AKP","kid":"k","alg":"ML-DSA-44","pub":"AAAA"}"#,
        r#"{"kty":"EC","crv":"P-384","kid":"k","x":"AAAA","y":"AAAA"}"#,
        r#"{"kty":"EC","crv":"secp256k1","kid":"k","x":"AAAA","y":"AAAA"}"#,
        r#"{"kty":"OKP","crv":"X25519","kid":"k","x":"AAAA"}"#,
        r#"{"kty":"OKP","crv":"Ed448","kid":"k","x":"AAAA"}"#,
        r#"{"kty":"OKP","crv":"ed25519","kid":"k","x":"AAAA"}"#,
        r#"{"kty":"rsa","kid":"k","n":"AAAA","e":"AQAB"}"#,
        r#"{"kty":"","kid":"k"}"#,
        r#"{"kty":"NEW","kid":"ed-1"}"#,
    ] {
        assert_eq!(beside(unknown), passed_over(), "{unknown}");
    }
}

/// One key of a provider that is no good does not take the others with it.
#[test]
fn a_key_that_is_too_weak_or_is_none_is_passed_over() {
    let [ed, ec, rsa] = signers();
    let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let [modulus, _] = rsa.public();
    let of = |n: &[u8], e: &[u8]| format!(r#"{{"kty":"RSA","kid":"k","n":"{}","e":"{}"}}"#, text(n), text(e));
    let f4: &[u8] = &[1, 0, 1];
    assert_eq!(beside(&of(&modulus, f4)), taken("k"));
    let mut odd = modulus.clone();
    odd[0] &= 0x7f;
    for (what, n, e) in [
        ("1,024 bits", &modulus[..128], f4),
        ("2,040 bits", &modulus[..255], f4),
        ("2,047 bits", &odd, f4),
        ("a zero before", &[&[0], &modulus[..]].concat(), f4),
        ("no modulus", &[], f4),
        ("more than 4,096 bits", &modulus.repeat(3), f4),
        ("an exponent of 1", &modulus, &[1]),
        ("an exponent of 3", &modulus, &[3]),
        ("an exponent of 17", &modulus, &[17]),
        ("an even exponent", &modulus, &[1, 0, 0]),
        ("a zero before the exponent", &modulus, &[0, 1, 0, 1]),
        ("a long exponent", &modulus, &modulus),
        ("no exponent", &modulus, &[]),
    ] {
        assert_eq!(beside(&of(n, e)), passed_over(), "{what}");
    }
    let [point, _] = ec.public();
    let of = |x: &[u8], y: &[u8]| {
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"k","x":"{}","y":"{}"}}"#, text(x), text(y))
    };
    let (x, y) = point[1..].split_at(32);
    assert_eq!(beside(&of(x, y)), taken("k"));
    for (what, x, y) in [
        ("no point of the curve", x, x),
        ("zeros", &[0; 32], &[0; 32]),
        ("beyond the field", &[0xff; 32], y),
        ("short", &x[..31], y),
        ("long", x, &[y, &[0]].concat()),
        ("empty", &[], &[]),
    ] {
        assert_eq!(beside(&of(x, y)), passed_over(), "{what}");
    }
    let [x, _] = ed.public();
    for x in [
        text(&x[..31]),
        text(&[&x[..], &[0]].concat()),
        String::new(),
        format!("{}=", text(&x)),
        "+".repeat(43),
    ] {
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}"#);
        assert_eq!(beside(&jwk), passed_over(), "{x}");
    }
    for mixed in [
        format!(r#"{{"kty":"RSA","kid":"k",{}}}"#, &ec.members()[11..]),
        format!(r#"{{{},"kid":"k","crv":"P-256"}}"#, rsa.members()),
        format!(r#"{{{},"kid":"k","n":"AQAB"}}"#, ec.members()),
        format!(r#"{{{},"kid":"k","y":"AQAB"}}"#, ed.members()),
    ] {
        assert_eq!(beside(&mixed), passed_over(), "{mixed}");
    }
}

#[test]
fn a_set_with_a_private_or_a_shared_key_is_refused() {
    for signer in signers() {
        for name in ["d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv", "\\u0064", "\\u006b"] {
            for value in [r#""AAAA""#, "null", r#""""#, "1", "[]", "false", "{}"] {
                let member = format!(r#""{name}":{value}"#);
                assert_eq!(beside(&and(signer, "k", &member)), Err(NotProviderKeys), "{member}");
                // Of whatever kind, use and name it is.
                for other in
                    [r#""kty":"NEW""#, r#""kty":"RSA","use":"enc","kid":"k""#, r#""kty":"oct","kid":"k""#]
                {
                    let jwk = format!("{{{other},{member}}}");
                    assert_eq!(beside(&jwk), Err(NotProviderKeys), "{jwk}");
                }
            }
        }
        assert_eq!(beside(&and(signer, "k", r#""d":1,"p":2,"q":3"#)), Err(NotProviderKeys));
    }
}

#[test]
fn a_name_is_of_one_key() {
    let [ed, ec, rsa] = signers();
    for other in [ed, ec, rsa] {
        assert_eq!(beside(&and(other, "ed-1", r#""use":"sig""#)), Err(NotProviderKeys), "{}", other.alg);
        assert_eq!(
            beside(&and(other, "\\u0065d-1", r#""use":"sig""#)),
            Err(NotProviderKeys),
            "{}",
            other.alg
        );
        // What is none of the set takes no name.
        assert_eq!(beside(&and(other, "ed-1", r#""use":"enc""#)), passed_over());
        assert_eq!(beside(&and(other, "ed-1", r#""alg":"PS256""#)), passed_over());
    }
    let weak = r#"{"kty":"RSA","kid":"ed-1","n":"AAAA","e":"AQAB"}"#;
    assert_eq!(beside(weak), passed_over());
    assert_eq!(names(set(&[weak, &ed.jwk()])), passed_over());
    for twice in [
        r#""kid":"b""#,
        r#""\u006bid":"b""#,
        r#""kty":"OKP""#,
        r#""crv":"Ed25519","crv":"Ed25519""#,
        r#""use":"enc","use":"sig""#,
        r#""alg":"EdDSA","alg":"EdDSA""#,
        r#""x":"AAAA""#,
    ] {
        assert_eq!(beside(&and(ed, "k", twice)), Err(NotProviderKeys), "{twice}");
    }
}

#[test]
fn a_set_has_no_more_than_64_keys() {
    let [ed, ..] = signers();
    let of = |count: usize| {
        let keys: Vec<String> = (0..count).map(|at| and(ed, &format!("k{at}"), r#""use":"sig""#)).collect();
        names(set(&keys.iter().map(String::as_str).collect::<Vec<_>>())).map(|names| names.len())
    };
    assert_eq!((of(64), of(65), of(5000)), (Ok(64), Err(NotProviderKeys), Err(NotProviderKeys)));
    // Those that are passed over count as well.
    let unknown = [r#"{"kty":"NEW"}"#; 64];
    assert_eq!(names(set(&unknown)), Ok(Vec::new()));
    assert_eq!(beside(&unknown.join(",")), Err(NotProviderKeys));
}

#[test]
fn a_set_is_an_object_of_objects() {
    let [ed, ..] = signers();
    let (jwk, good) = (ed.jwk(), set(&[&ed.jwk()]));
    let [x, _] = ed.public();
    let x = BASE64URL_NOPAD.encode(&x);
    let list = format!(r#"["OKP","Ed25519","{x}",null,null,null,"EdDSA","k","sig"]"#);
    let mut invalid = set(&[&and(ed, "k", r#""a":"?""#)]).into_bytes();
    invalid.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
    assert_eq!(names(&good), passed_over());
    for (what, wrong) in [
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("a number", "1".to_owned()),
        ("a text", format!("{good:?}")),
        ("a key", jwk.clone()),
        ("a list of keys", format!("[{jwk}]")),
        ("a list of a list", format!("[[{jwk}]]")),
        ("a key that is a list", set(&[&list])),
        ("a key and a list", set(&[&jwk, &list])),
        ("a list more", set(&[&jwk, "[]"])),
        ("a key null", set(&[&jwk, "null"])),
        ("a key that is a text", set(&[&jwk, r#""x""#])),
        ("no keys", "{}".to_owned()),
        ("keys null", r#"{"keys":null}"#.to_owned()),
        ("keys an object", format!(r#"{{"keys":{jwk}}}"#)),
        ("keys a text", r#"{"keys":"x"}"#.to_owned()),
        ("keys in upper case", good.replace("keys", "KEYS")),
        ("keys twice", format!(r#"{{"keys":[],"keys":[{jwk}]}}"#)),
        ("keys twice, once escaped", format!(r#"{{"keys":[{jwk}],"\u006beys":[]}}"#)),
        ("BOM", format!("\u{feff}{good}")),
        ("text behind", format!("{good}x")),
        ("a set behind", format!("{good}{good}")),
        ("cut", good[..good.len() - 1].to_owned()),
        ("a comma more", good.replace(']', ",]")),
        ("a page", "<!doctype html><title>Error</title>".to_owned()),
        ("kid a number", set(&[&and(ed, "k", "1").replace(r#""kid":"k",1"#, r#""kid":1"#)])),
        ("x a number", set(&[r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":1}"#])),
        ("half a surrogate", set(&[&and(ed, "\\ud800", r#""a":1"#)])),
    ] {
        assert_eq!(names(&wrong), Err(NotProviderKeys), "{what}");
    }
    assert_eq!(names(invalid), Err(NotProviderKeys));
    assert_eq!(names([good.as_bytes(), &[0xff]].concat()), Err(NotProviderKeys));
    assert_eq!(names([0xff, 0xfe, b'{', 0, b'}', 0]), Err(NotProviderKeys));
    let deep = |text: &str| text.repeat(100_000);
    assert_eq!(names(deep("[")), Err(NotProviderKeys));
    assert_eq!(names(deep(r#"{"keys":["#)), Err(NotProviderKeys));
    assert_eq!(names(set(&[&and(ed, "k", &format!(r#""a":{}"#, deep("[")))])), Err(NotProviderKeys));
}
