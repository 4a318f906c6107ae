use super::*;
use crate::oidc::signers::{
    CLAIMS, CLIENT, ISSUER, SECRET, Signer, judge, judged, signers, strangers, unsigned, with,
};
use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;

fn alice() -> Identity {
    Identity {
        subject: Subject { issuer: ISSUER.to_owned(), subject: "alice-1".to_owned() },
        address: Some(Email::parse("alice@example.com").unwrap()),
    }
}

/// The good header with one text in place of another; there must be something to replace.
fn head(signer: &Signer, from: &str, to: &str) -> String {
    let good = signer.head();
    let altered = good.replacen(from, to, 1);
    assert_ne!(altered, good, "{from}");
    altered
}

/// The good header with one more member.
fn head_and(signer: &Signer, member: &str) -> String {
    head(signer, "}", &format!(",{member}}}"))
}

/// A text of base64url whose last character has another bit set of those that say nothing.
fn with_tail_bit(text: &str) -> String {
    assert_ne!(text.len() % 4, 0, "each bit of it says something");
    let (rest, last) = text.split_at(text.len() - 1);
    let symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = symbols.iter().position(|symbol| *symbol == last.as_bytes()[0]).unwrap();
    format!("{rest}{}", char::from(symbols[at ^ 1]))
}

#[test]
fn a_good_token_of_each_algorithm_is_taken() {
    for signer in signers() {
        assert_eq!(judge(&signer.good()), Ok(alice()), "{}", signer.alg);
        assert_eq!(kid_of(&signer.good()).as_deref(), Some(signer.kid));
    }
}

#[test]
fn the_key_says_the_algorithm_and_the_token_must_agree() {
    use NotGood::{Form, Signature};
    for signer in signers() {
        let named = |alg: &str| head(signer, signer.alg, alg);
        let alg = format!(r#""{}""#, signer.alg);
        let valued = |value: &str| head(signer, &alg, value);
        let mut cases = Vec::new();
        for other in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            "",
            "HS256",
            "HS512",
            "EdDSA",
            "ES256",
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "ES384",
            "ES512",
            "ES256K",
            "Ed25519",
            "Ed448",
            "eddsa",
            "es256",
            "rs256",
            "ES256\\u0000",
        ] {
            if other != signer.alg {
                cases.push((other, signer.token(named(other), CLAIMS), Err(Signature)));
                let unsigned = unsigned(named(other), CLAIMS);
                cases.push(("unsigned", format!("{unsigned}."), Err(Signature)));
            }
        }
        for (what, value) in [
            ("alg null", "null"),
            ("alg a number", "256"),
            ("alg a list", r#"["RS256"]"#),
            ("alg an object", "{}"),
            ("alg true", "true"),
        ] {
            cases.push((what, signer.token(valued(value), CLAIMS), Err(Form)));
        }
        let without = head(signer, &format!(r#""alg":{alg},"#), "");
        cases.push(("no alg", signer.token(without, CLAIMS), Err(Form)));
        let escaped: String = signer.alg.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        cases.push(("alg escaped", signer.token(named(&escaped), CLAIMS), Ok(())));
        judged(51, &cases);
    }
}

#[test]
fn what_rsa_signs_in_another_way_is_not_taken_under_any_name() {
    let [_, _, rsa] = signers();
    for alg in ["RS256", "RS384", "RS512", "PS256"] {
        let text = unsigned(format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, rsa.kid), CLAIMS);
        for signature in [
            rsa.sign_rsa(&RSA_PKCS1_SHA384, text.as_bytes()),
            rsa.sign_rsa(&RSA_PKCS1_SHA512, text.as_bytes()),
            rsa.sign_rsa(&RSA_PSS_SHA256, text.as_bytes()),
        ] {
            assert_eq!(judge(&with(&text, &signature)), Err(NotGood::Signature), "{alg}");
        }
    }
}

#[test]
fn a_mac_with_what_is_public_or_shared_is_no_signature() {
    for signer in signers() {
        let [raw, der] = signer.public();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            data_encoding::BASE64.encode(&der)
        );
        let jwk = signer.jwk();
        for secret in
            [&raw[..], &der, pem.as_bytes(), jwk.as_bytes(), SECRET.as_bytes(), CLIENT.as_bytes(), b""]
        {
            for alg in ["HS256", signer.alg] {
                let head = format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, signer.kid);
                let text = unsigned(head, CLAIMS);
                let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
                mac.update(text.as_bytes());
                let mac = mac.finalize().into_bytes();
                assert_eq!(judge(&with(&text, &mac)), Err(NotGood::Signature), "{alg}");
                // As long as a signature is.
                let long = mac.repeat(signer.sign(b"").len() / mac.len());
                assert_eq!(judge(&with(&text, &long)), Err(NotGood::Signature), "{alg}");
            }
        }
    }
}

#[test]
fn the_header_names_one_key_that_is_published() {
    use NotGood::{Form, UnknownKey};
    for (signer, stranger) in signers().iter().zip(strangers()) {
        let kid = format!(r#""kid":"{}""#, signer.kid);
        let token = |member: &str| signer.token(head(signer, &kid, member), CLAIMS);
        let twice = format!("{kid},{kid}");
        let escaped_twice = format!(r#"{kid},"\u006bid":"{}""#, signer.kid);
        let upper = signer.kid.to_uppercase();
        let stranger = stranger.token(head(stranger, signer.kid, "mine"), CLAIMS);
        judged(
            16,
            &[
                ("kid unknown", token(r#""kid":"other""#), Err(UnknownKey)),
                ("kid unknown, by its own key", stranger, Err(UnknownKey)),
                ("kid empty", token(r#""kid":"""#), Err(UnknownKey)),
                ("kid in upper case", token(&format!(r#""kid":"{upper}""#)), Err(UnknownKey)),
                ("kid and more", token(&format!(r#""kid":"{} ""#, signer.kid)), Err(UnknownKey)),
                ("kid and NUL", token(&format!(r#""kid":"{}\u0000""#, signer.kid)), Err(UnknownKey)),
                ("kid a path", token(r#""kid":"../../dev/null""#), Err(UnknownKey)),
                ("kid of SQL", token(r#""kid":"' OR 1=1 --""#), Err(UnknownKey)),
                ("no kid", token(r#""kit":"x""#), Err(Form)),
                ("kid a number", token(r#""kid":1"#), Err(Form)),
                ("kid null", token(r#""kid":null"#), Err(Form)),
                ("kid a list", token(&format!(r#""kid":["{}"]"#, signer.kid)), Err(Form)),
                ("kid twice", token(&twice), Err(Form)),
                ("kid twice, once escaped", token(&escaped_twice), Err(Form)),
                ("kid half a surrogate", token(r#""kid":"\ud800""#), Err(Form)),
                ("kid's name escaped", token(&kid.replace('k', "\\u006b")), Ok(())),
            ],
        );
    }
}

#[test]
fn a_key_verifies_no_token_that_names_another() {
    for signer in signers() {
        for named in signers().iter().filter(|named| named.kid != signer.kid) {
            for alg in [signer.alg, named.alg] {
                let head = format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, named.kid);
                assert_eq!(judge(&signer.token(head, CLAIMS)), Err(NotGood::Signature));
            }
        }
    }
}

#[test]
fn a_header_is_of_the_form_and_nothing_in_it_is_followed() {
    use NotGood::{Form, Signature};
    for (signer, stranger) in signers().iter().zip(strangers()) {
        let and = |member: &str| signer.token(head_and(signer, member), CLAIMS);
        let typ = |value: &str| signer.token(head(signer, r#""JWT""#, value), CLAIMS);
        let jwk = format!(r#""jwk":{}"#, stranger.jwk());
        let list = format!(r#"["{}","{}"]"#, signer.alg, signer.kid);
        let whole_list = format!(r#"["{}","{}","JWT"]"#, signer.alg, signer.kid);
        let without_typ = head(signer, r#","typ":"JWT""#, "");
        let mut invalid = head_and(signer, r#""x":"?""#).into_bytes();
        invalid.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
        let deep = head_and(signer, &format!(r#""x":{}{}"#, "[".repeat(5000), "]".repeat(5000)));
        judged(
            43,
            &[
                ("no typ", signer.token(without_typ, CLAIMS), Ok(())),
                ("typ jwt", typ(r#""jwt""#), Ok(())),
                ("typ at+jwt", typ(r#""at+jwt""#), Err(Form)),
                ("typ logout+jwt", typ(r#""logout+jwt""#), Err(Form)),
                ("typ application/jwt", typ(r#""application/jwt""#), Err(Form)),
                ("typ JWE", typ(r#""JWE""#), Err(Form)),
                ("typ and a blank", typ(r#""JWT ""#), Err(Form)),
                ("typ empty", typ(r#""""#), Err(Form)),
                ("typ null", typ("null"), Err(Form)),
                ("typ a number", typ("1"), Err(Form)),
                ("typ a list", typ(r#"["JWT"]"#), Err(Form)),
                ("typ twice", and(r#""typ":"JWT""#), Err(Form)),
                ("typ twice, once escaped", and(r#""\u0074yp":"JWT""#), Err(Form)),
                ("alg twice", and(&format!(r#""alg":"{}""#, signer.alg)), Err(Form)),
                ("alg twice, once none", and(r#""alg":"none""#), Err(Form)),
                ("alg twice, once escaped", and(r#""al\u0067":"none""#), Err(Form)),
                ("crit of one", and(r#""crit":["exp"]"#), Err(Form)),
                ("crit of b64", and(r#""crit":["b64"],"b64":true"#), Err(Form)),
                ("crit empty", and(r#""crit":[]"#), Err(Form)),
                ("crit null", and(r#""crit":null"#), Err(Form)),
                ("crit a text", and(r#""crit":"exp""#), Err(Form)),
                ("crit false", and(r#""crit":false"#), Err(Form)),
                ("crit null, escaped", and(r#""cri\u0074":null"#), Err(Form)),
                ("crit twice", and(r#""crit":[],"crit":[]"#), Err(Form)),
                ("b64 false", and(r#""b64":false"#), Err(Form)),
                ("b64 true", and(r#""b64":true"#), Err(Form)),
                ("b64 null", and(r#""b64":null"#), Err(Form)),
                ("jwk", and(&jwk), Ok(())),
                ("jku", and(r#""jku":"https://evil.example/jwks""#), Ok(())),
                ("x5u", and(r#""x5u":"https://evil.example/x""#), Ok(())),
                ("x5c", and(r#""x5c":["MIIB"],"x5t":"x","x5t#S256":"y""#), Ok(())),
                ("jwk of who signed", stranger.token(head_and(signer, &jwk), CLAIMS), Err(Signature)),
                (
                    "jku of who signed",
                    stranger.token(head_and(signer, r#""jku":"https://evil.example/jwks""#), CLAIMS),
                    Err(Signature),
                ),
                ("a blank before the header", signer.token(format!(" {}", signer.head()), CLAIMS), Ok(())),
                ("deep", signer.token(deep, CLAIMS), Ok(())),
                ("a list", signer.token(list, CLAIMS), Err(Form)),
                ("a list of all", signer.token(whole_list, CLAIMS), Err(Form)),
                ("null", signer.token("null", CLAIMS), Err(Form)),
                ("nothing in it", signer.token("{}", CLAIMS), Err(Form)),
                ("text behind it", signer.token(format!("{}{{}}", signer.head()), CLAIMS), Err(Form)),
                ("BOM", signer.token(format!("\u{feff}{}", signer.head()), CLAIMS), Err(Form)),
                ("no UTF-8", signer.token(invalid, CLAIMS), Err(Form)),
                ("NUL", signer.token(signer.head().replace('"', "\"\0"), CLAIMS), Err(Form)),
            ],
        );
    }
}

#[test]
fn there_is_one_form_alone() {
    use NotGood::{Form, Signature};
    for signer in signers() {
        let token = signer.good();
        let parts: Vec<&str> = token.split('.').collect();
        let [first, body, signature] = parts.try_into().unwrap();
        let json = format!(r#"{{"payload":"{body}","protected":"{first}","signature":"{signature}"}}"#);
        let general = format!(
            r#"{{"payload":"{body}","signatures":[{{"protected":"{first}","signature":"{signature}"}}]}}"#
        );
        // Heads and claims with something behind the last whole group, and with the two symbols that differ.
        let odd = |text: &str| match text.len() % 3 {
            0 => BASE64URL_NOPAD.encode(format!("{text} ").as_bytes()),
            _ => BASE64URL_NOPAD.encode(text.as_bytes()),
        };
        let (odd_first, odd_body) = (odd(&signer.head()), odd(CLAIMS));
        let marked = CLAIMS.replacen('{', r#"{"x":"???>>>~~~?>?>","#, 1);
        let marked = BASE64URL_NOPAD.encode(marked.as_bytes());
        let standard = marked.replace('-', "+").replace('_', "/");
        assert_ne!(marked, standard);
        let padded = |part: &str| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
        let signed = |first: &str, body: &str| signer.signed(&format!("{first}.{body}"));
        judged(
            40,
            &[
                ("odd", signed(&odd_first, &odd_body), Ok(())),
                ("marked", signed(first, &marked), Ok(())),
                ("nothing", String::new(), Err(Form)),
                ("one part", first.to_owned(), Err(Form)),
                ("two parts", format!("{first}.{body}"), Err(Form)),
                ("no signature", format!("{first}.{body}."), Err(Signature)),
                ("no claims", signed(first, ""), Err(Form)),
                ("no header", signed("", body), Err(Form)),
                ("dots", "..".to_owned(), Err(Form)),
                ("many dots", ".".repeat(MOST_BYTES), Err(Form)),
                ("four parts", format!("{token}.{signature}"), Err(Signature)),
                ("four parts, signed", signer.signed(&token), Err(Form)),
                ("five parts", format!("{first}.{body}.{body}.{body}.{signature}"), Err(Signature)),
                ("five parts, signed", signed(first, &format!("{body}.{body}.{body}")), Err(Form)),
                ("a dot before", format!(".{token}"), Err(Form)),
                ("a dot behind", format!("{token}."), Err(Signature)),
                ("JSON", json.clone(), Err(Form)),
                ("JSON, general", general, Err(Form)),
                ("JSON before it", format!("{json}.{body}.{signature}"), Err(Form)),
                ("padding behind", format!("{token}="), Err(Form)),
                ("padding", format!("{first}.{body}.{}==", signature), Err(Form)),
                ("padded header", signed(&padded(&odd_first), body), Err(Form)),
                ("padded claims", signed(first, &padded(&odd_body)), Err(Form)),
                ("the other alphabet", signed(first, &standard), Err(Form)),
                ("a blank before", format!(" {token}"), Err(Form)),
                ("a blank behind", format!("{token} "), Err(Form)),
                ("a line end behind", format!("{token}\n"), Err(Form)),
                ("a line end in the header", signed(&format!("{first}\n"), body), Err(Form)),
                ("a line end in the claims", signed(first, &format!("{body}\r\n")), Err(Form)),
                ("a blank in the claims", signed(first, &body.replacen('a', "a ", 1)), Err(Form)),
                ("tail bits of the header", signed(&with_tail_bit(&odd_first), body), Err(Form)),
                ("tail bits of the claims", signed(first, &with_tail_bit(&odd_body)), Err(Form)),
                (
                    "tail bits of the signature",
                    format!("{first}.{body}.{}", with_tail_bit(signature)),
                    Err(Form),
                ),
                ("BOM", format!("\u{feff}{token}"), Err(Form)),
                ("not ASCII", signed(first, &format!("{body}é")), Err(Form)),
                ("percent", token.replacen('.', "%2E", 1), Err(Form)),
                ("Bearer", format!("Bearer {token}"), Err(Form)),
                ("one character more", format!("{token}A"), Err(Signature)),
                ("a megabyte", "a".repeat(1 << 20), Err(Form)),
                ("a token and a megabyte", format!("{token}{}", "A".repeat(1 << 20)), Err(Form)),
            ],
        );
    }
}

#[test]
fn a_token_has_a_greatest_length() {
    for signer in signers() {
        let of_length = |length: usize| {
            // A length that base64url does not have for the claims, it has with a blank more in the header.
            let tokens = (0..4).flat_map(|blanks| {
                let head = format!("{}{}", signer.head(), " ".repeat(blanks));
                let rest = unsigned(&head, "").len() + 1 + BASE64URL_NOPAD.encode_len(signer.sign(b"").len());
                let least = (length - rest) * 3 / 4 - CLAIMS.len() - 8;
                (least..least + 4).map(move |padding| {
                    let claims = CLAIMS.replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(padding)), 1);
                    signer.token(&head, claims)
                })
            });
            let token = tokens.into_iter().find(|token| token.len() == length);
            token.unwrap_or_else(|| panic!("no token of {length} bytes"))
        };
        assert_eq!(judge(&of_length(MOST_BYTES)), Ok(alice()));
        assert_eq!(judge(&of_length(MOST_BYTES + 1)), Err(NotGood::Form));
    }
}

#[test]
fn no_other_signature_is_taken() {
    for (signer, stranger) in signers().iter().zip(strangers()) {
        let token = signer.good();
        let (text, _) = token.rsplit_once('.').unwrap();
        let good = signer.sign(text.as_bytes());
        let mut wrong = vec![
            stranger.sign(text.as_bytes()),
            signer.sign(b"another text"),
            signer.sign(CLAIMS.as_bytes()),
            Vec::new(),
            vec![0],
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
            good.repeat(2),
            vec![0; good.len()],
            vec![0xff; good.len()],
            good.iter().rev().copied().collect(),
        ];
        if signer.alg == "ES256" {
            wrong.push(signer.sign_der(text.as_bytes()));
            let one: Vec<u8> = (0..32).map(|at| u8::from(at == 31)).collect();
            wrong.extend([[&[0; 32], &one[..]].concat(), one.repeat(2), [&one[..], &[0; 32]].concat()]);
        }
        for signature in wrong {
            assert_eq!(judge(&with(text, &signature)), Err(NotGood::Signature), "{signature:02x?}");
        }
        assert!(judge(&with(text, &good)).is_ok());
    }
}

#[test]
fn each_bit_of_each_part_counts() {
    for signer in signers() {
        let token = signer.good();
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).collect();
        for at in 0..parts.len() {
            for bit in 0..parts[at].len() * 8 {
                let mut altered = parts.clone();
                altered[at][bit / 8] ^= 1 << (bit % 8);
                let texts: Vec<String> = altered.iter().map(|part| BASE64URL_NOPAD.encode(part)).collect();
                let got = judge(&texts.join("."));
                assert!(got.is_err(), "{} {at} {bit}", signer.alg);
                assert!(at == 0 || got == Err(NotGood::Signature), "{} {at} {bit}: {got:?}", signer.alg);
            }
        }
    }
}

#[test]
fn the_name_of_a_key_is_read_from_a_header_of_the_form_alone() {
    let [ed, ..] = signers();
    let of = |head: &str| kid_of(&ed.token(head, CLAIMS));
    assert_eq!(of(r#"{"kid":"a","alg":"b"}"#).as_deref(), Some("a"));
    // Whatever the header is followed by.
    assert_eq!(kid_of(&unsigned(ed.head(), "")).as_deref(), Some("ed-1"));
    assert_eq!(kid_of(&format!("{}{}", ed.good(), "A".repeat(MOST_BYTES))), None, "too long");
    for wrong in [
        r#"{"alg":"RS256"}"#,
        r#"{"kid":"a"}"#,
        r#"{"kid":1,"alg":"b"}"#,
        r#"{"kid":null,"alg":"b"}"#,
        r#"{"kid":"a","kid":"a","alg":"b"}"#,
        r#"["b","a"]"#,
        r#"["b","a","JWT"]"#,
        "",
    ] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
    for wrong in ["", ".", "é", &"a".repeat(MOST_BYTES * 2)] {
        assert_eq!(kid_of(wrong), None);
    }
}

#[test]
fn a_refreshed_token_is_still_of_whom_it_was() {
    let [ed, ..] = signers();
    let subject = alice().subject;
    let is = |token: &str| is_still_of(token, &subject, CLIENT);
    let says = |from: &str, to: &str| {
        let altered = CLAIMS.replacen(from, to, 1);
        assert_ne!(altered, CLAIMS, "{from}");
        is(&ed.token(ed.head(), altered))
    };
    assert!(is(&ed.good()));
    // What the token endpoint says is its word: who signed it, when, and for which transaction says nothing.
    assert!(is(&strangers()[0].good()) && is(&format!("{}.", unsigned(ed.head(), CLAIMS))));
    assert!(says(r#","nonce":"n-0S6_WzA2Mj""#, "") && says("1800003600", "1"));
    assert!(says(r#""client-1.apps.example.com""#, r#"["client-1.apps.example.com"]"#));
    for (from, to) in [
        ("alice-1", "alice-2"),
        ("alice-1", "Alice-1"),
        ("alice-1", "alice-1 "),
        ("alice-1", ""),
        (r#""alice-1""#, "1"),
        (r#""alice-1""#, "null"),
        ("accounts.example.com", "accounts.example.net"),
        ("accounts.example.com", "accounts.example.com/"),
        (r#""aud":"client-1"#, r#""aud":"client-2"#),
        (r#""client-1.apps.example.com""#, r#"["client-1.apps.example.com","x"]"#),
        (r#""client-1.apps.example.com""#, "[]"),
        (r#""client-1.apps.example.com""#, "null"),
        (r#""aud":"client-1.apps.example.com","#, ""),
        (r#""sub":"alice-1","#, ""),
        ("{", r#"{"sub":"alice-1","#),
        ("{", r#"{"s\u0075b":"alice-2","#),
        ("{", r#"{"iss":"https://accounts.example.com","#),
        ("{", r#"{"aud":"client-1.apps.example.com","#),
    ] {
        assert!(!says(from, to), "{from} {to}");
    }
    let list = r#"["https://accounts.example.com","alice-1","client-1.apps.example.com"]"#;
    let body = BASE64URL_NOPAD.encode(CLAIMS.as_bytes());
    let long = CLAIMS.replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(MOST_BYTES)), 1);
    for wrong in [
        String::new(),
        CLAIMS.to_owned(),
        body.clone(),
        format!(".{body}"),
        format!("a.{body}"),
        format!("a.{body}.b.c"),
        format!("a.{body}=.b"),
        format!("a. {body}.b"),
        format!("a.{CLAIMS}.b"),
        ed.token(ed.head(), list),
        ed.token(ed.head(), format!("\u{feff}{CLAIMS}")),
        ed.token(ed.head(), format!("{CLAIMS}{{}}")),
        ed.token(ed.head(), [CLAIMS.as_bytes(), &[0xff]].concat()),
        ed.token(ed.head(), long),
        format!("a.{body}.{}", "b".repeat(MOST_BYTES)),
    ] {
        assert!(!is(&wrong), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_token_with_any_character_changed_is_refused(
        which in 0_usize..3,
        at: prop::sample::Index,
        put in prop_oneof![4 => "[A-Za-z0-9_.-]", 1 => "\\PC", 1 => Just(String::new())],
        more in any::<bool>(),
    ) {
        let mut token = signers()[which].good();
        let good = token.clone();
        let at = at.index(token.len());
        token.replace_range(at..at + usize::from(!more), &put);
        prop_assume!(token != good);
        prop_assert!(judge(&token).is_err(), "{}", token);
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,64}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,80}", 0..6)) {
        prop_assert!(judge(&text).is_err());
        prop_assert!(judge(&parts.join(".")).is_err());
        prop_assert_eq!(kid_of(&text), None);
    }

    #[test]
    fn whatever_is_signed_is_nobody_else(claims in "\\PC{0,64}", bytes: Vec<u8>) {
        let [ed, ..] = signers();
        prop_assert_eq!(judge(&ed.token(ed.head(), claims)), Err(NotGood::Form));
        prop_assert_eq!(judge(&ed.token(ed.head(), &bytes)), Err(NotGood::Form));
        prop_assert_eq!(judge(&ed.token(&bytes, CLAIMS)), Err(NotGood::Form));
    }
}
