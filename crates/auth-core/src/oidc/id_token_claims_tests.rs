use super::*;
use crate::oidc::{
    Tenants,
    signers::{CLAIMS, CLIENT, ISSUER, NONCE, NOW, judge, judge_for, judged, signers},
};

type Case = (&'static str, String, Result<(), NotGood>);

/// A token of the good claims with one text in place of another; there must be something to replace.
fn with(from: &str, to: &str) -> String {
    let altered = CLAIMS.replacen(from, to, 1);
    assert_ne!(altered, CLAIMS, "{from}");
    of(altered)
}

/// A token of these claims, signed by a key that is published.
fn of(claims: impl AsRef<[u8]>) -> String {
    let [ed, ..] = signers();
    ed.token(ed.head(), claims)
}

/// The good claims with one more before the others.
fn and(member: &str) -> String {
    with("{", &format!("{{{member},"))
}

/// The value of a member in place of the good one.
fn value(name: &str, to: &str) -> String {
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).unwrap();
    let good = format!(r#""{name}":{}"#, claims[name]);
    with(&good, &format!(r#""{name}":{to}"#))
}

/// The good claims without one.
fn without(name: &str) -> String {
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).unwrap();
    with(&format!(r#""{name}":{},"#, claims[name]), "")
}

#[test]
fn a_token_is_of_its_transaction_alone() {
    use NotGood::{Form, Nonce};
    judged(
        16,
        &[
            ("none", without("nonce"), Err(Form)),
            ("other", value("nonce", r#""other""#), Err(Nonce)),
            ("empty", value("nonce", r#""""#), Err(Nonce)),
            ("in upper case", value("nonce", &format!(r#""{}""#, NONCE.to_uppercase())), Err(Nonce)),
            ("the beginning", value("nonce", &format!(r#""{}""#, &NONCE[..11])), Err(Nonce)),
            ("more", value("nonce", &format!(r#""{NONCE}x""#)), Err(Nonce)),
            ("a blank more", value("nonce", &format!(r#""{NONCE} ""#)), Err(Nonce)),
            ("NUL more", value("nonce", &format!(r#""{NONCE}\u0000""#)), Err(Nonce)),
            ("as long", value("nonce", &format!(r#""{}""#, "x".repeat(NONCE.len()))), Err(Nonce)),
            ("null", value("nonce", "null"), Err(Form)),
            ("a list", value("nonce", &format!(r#"["{NONCE}"]"#)), Err(Form)),
            ("a number", value("nonce", "1"), Err(Form)),
            ("true", value("nonce", "true"), Err(Form)),
            ("twice", and(&format!(r#""nonce":"{NONCE}""#)), Err(Form)),
            ("twice, first another", and(r#""nonce":"other""#), Err(Form)),
            ("escaped", value("nonce", &format!(r#""\u006e{}""#, &NONCE[1..])), Ok(())),
        ],
    );
}

#[test]
fn a_token_is_for_this_client_alone() {
    use NotGood::{Audience, Form};
    let aud = |to: &str| value("aud", to);
    let azp = |to: &str| and(&format!(r#""azp":{to}"#));
    let mine = format!(r#""{CLIENT}""#);
    judged(
        26,
        &[
            ("other", aud(r#""client-2.apps.example.com""#), Err(Audience)),
            ("empty", aud(r#""""#), Err(Audience)),
            ("the beginning", aud(r#""client-1""#), Err(Audience)),
            ("more", aud(&format!(r#""{CLIENT}.evil.example""#)), Err(Audience)),
            ("in upper case", aud(&mine.to_uppercase()), Err(Audience)),
            ("both in one", aud(&format!(r#""{CLIENT} x""#)), Err(Audience)),
            ("a list of it", aud(&format!("[{mine}]")), Ok(())),
            ("a list of another", aud(r#"["x"]"#), Err(Audience)),
            ("a list of two", aud(&format!(r#"[{mine},"x"]"#)), Err(Audience)),
            ("a list of two, it last", aud(&format!(r#"["x",{mine}]"#)), Err(Audience)),
            ("a list of it twice", aud(&format!("[{mine},{mine}]")), Err(Audience)),
            ("a list of none", aud("[]"), Err(Audience)),
            ("a list of a list", aud(&format!("[[{mine}]]")), Err(Form)),
            ("a list with null", aud(&format!("[{mine},null]")), Err(Form)),
            ("an object", aud(&format!(r#"{{"One":{mine}}}"#)), Err(Form)),
            ("a number", aud("1"), Err(Form)),
            ("null", aud("null"), Err(Form)),
            ("none", without("aud"), Err(Form)),
            ("twice", and(&format!(r#""aud":{mine}"#)), Err(Form)),
            ("azp other", azp(r#""x""#), Err(Audience)),
            ("azp empty", azp(r#""""#), Err(Audience)),
            ("azp it", azp(&mine), Ok(())),
            ("azp null", azp("null"), Err(Form)),
            ("azp a list", azp(&format!("[{mine}]")), Err(Form)),
            ("azp twice", azp(&format!(r#"{mine},"azp":{mine}"#)), Err(Form)),
            ("azp it, aud two", with(&mine, &format!(r#"[{mine},"x"],"azp":{mine}"#)), Err(Audience)),
        ],
    );
}

#[test]
fn a_token_is_good_for_a_time() {
    use NotGood::{Form, Time};
    let at = |name: &str, seconds: i64| value(name, &(NOW + seconds).to_string());
    let from_to = |from: i64, to: i64| {
        let claims = CLAIMS.replacen("1800000000", &(NOW + from).to_string(), 1);
        of(claims.replacen("1800003600", &(NOW + to).to_string(), 1))
    };
    let nbf = |to: &str| and(&format!(r#""nbf":{to}"#));
    let mut cases: Vec<Case> = vec![
        ("no exp", without("exp"), Err(Form)),
        ("exp a second ago", from_to(-3600, -1), Err(Time)),
        ("exp now", from_to(-3600, 0), Err(Time)),
        ("exp in a second", from_to(-3600, 1), Ok(())),
        ("exp 0", value("exp", "0"), Err(Time)),
        ("no iat", without("iat"), Err(Form)),
        ("iat ahead by 60 s", at("iat", 60), Ok(())),
        ("iat ahead by 61 s", at("iat", 61), Err(Time)),
        ("iat 0", value("iat", "0"), Err(Time)),
        ("iat a day ago", from_to(-86_399, 1), Ok(())),
        ("a life of a day", from_to(0, 86_400), Ok(())),
        ("a life of a day and a second", from_to(0, 86_401), Err(Time)),
        ("a life of a second", from_to(0, 1), Ok(())),
        ("a life of none", from_to(30, 30), Err(Time)),
        ("a negative life", from_to(30, 29), Err(Time)),
        ("the last second there is", value("exp", "4294967295"), Err(Time)),
        ("nbf now", nbf("1800000000"), Ok(())),
        ("nbf long ago", nbf("0"), Ok(())),
        ("nbf ahead by 60 s", nbf("1800000060"), Ok(())),
        ("nbf ahead by 61 s", nbf("1800000061"), Err(Time)),
        ("nbf long ago, iat ahead by 61 s", with("1800000000", r#"1800000061,"nbf":0"#), Err(Time)),
        ("nbf ahead by 61 s, iat long ago", with("1800000000", r#"1799990000,"nbf":1800000061"#), Err(Time)),
        ("nbf null", nbf("null"), Err(Form)),
        ("nbf a text", nbf(r#""1800000000""#), Err(Form)),
        ("nbf a fraction", nbf("1800000000.5"), Err(Form)),
        ("nbf twice", nbf(r#"1,"nbf":1"#), Err(Form)),
        ("exp twice", and(r#""exp":1800003600"#), Err(Form)),
        ("exp twice, once escaped", and(r#""\u0065xp":1800003600"#), Err(Form)),
        ("iat twice", and(r#""iat":1800000000"#), Err(Form)),
        ("exp in milliseconds", value("exp", "1800003600000"), Err(Form)),
    ];
    for name in ["exp", "iat"] {
        for to in [
            r#""1800003600""#,
            "1800003600.0",
            "1.8000036e9",
            "-1",
            "-0.0",
            "4294967296",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
            "null",
            "true",
            "[1800003600]",
            "{}",
            "01800003600",
            "+1800003600",
            "NaN",
        ] {
            cases.push((name, value(name, to), Err(Form)));
        }
    }
    judged(62, &cases);
}

#[test]
fn a_subject_is_a_text_that_has_one_reading() {
    use NotGood::Form;
    let sub = |to: &str| value("sub", &format!(r#""{to}""#));
    judged(
        19,
        &[
            ("none", without("sub"), Err(Form)),
            ("empty", sub(""), Err(Form)),
            ("255 bytes", sub(&"a".repeat(255)), Ok(())),
            ("256 bytes", sub(&"a".repeat(256)), Err(Form)),
            ("a blank", sub(" "), Err(Form)),
            ("a blank in it", sub("alice 1"), Err(Form)),
            ("a blank behind", sub("alice-1 "), Err(Form)),
            ("not ASCII", sub("аlice-1"), Err(Form)),
            ("not ASCII, escaped", sub("\\u0430lice-1"), Err(Form)),
            ("a line end", sub("alice-1\\n"), Err(Form)),
            ("NUL", sub("alice-1\\u0000"), Err(Form)),
            ("DEL", sub("alice-1\\u007f"), Err(Form)),
            ("half a surrogate", sub("\\ud800"), Err(Form)),
            ("a number", value("sub", "1"), Err(Form)),
            ("null", value("sub", "null"), Err(Form)),
            ("a list", value("sub", r#"["alice-1"]"#), Err(Form)),
            ("twice", and(r#""sub":"alice-1""#), Err(Form)),
            ("twice, first another", and(r#""sub":"alice-2""#), Err(Form)),
            ("twice, once escaped", and(r#""s\u0075b":"alice-2""#), Err(Form)),
        ],
    );
    let of = |to: &str| judge(&sub(to)).map(|identity| identity.subject.subject);
    assert_eq!(of("alice-2"), Ok("alice-2".to_owned()));
    assert_eq!(of("\\u0041lice"), Ok("Alice".to_owned()), "as it reads, not as it is written");
    assert_eq!(of("<script>'\\\""), Ok("<script>'\"".to_owned()));
}

#[test]
fn an_issuer_is_taken_to_the_letter() {
    use NotGood::{Form, Issuer};
    let iss = |to: &str| value("iss", &format!(r#""{to}""#));
    judged(
        16,
        &[
            ("none", without("iss"), Err(Form)),
            ("other", iss("https://issuer.invalid"), Err(Issuer)),
            ("empty", iss(""), Err(Issuer)),
            ("the beginning", iss("https://accounts.example"), Err(Issuer)),
            ("something before it", iss(&format!("x{ISSUER}")), Err(Issuer)),
            ("something behind it", iss(&format!("{ISSUER}.evil.example")), Err(Issuer)),
            ("a slash behind it", iss(&format!("{ISSUER}/")), Err(Issuer)),
            ("in upper case", iss(&ISSUER.to_uppercase()), Err(Issuer)),
            ("without a scheme", iss("accounts.example.com"), Err(Issuer)),
            ("not encrypted", iss("http://accounts.example.com"), Err(Issuer)),
            ("a port", iss(&format!("{ISSUER}:443")), Err(Issuer)),
            ("null", value("iss", "null"), Err(Form)),
            ("a list", value("iss", &format!(r#"["{ISSUER}"]"#)), Err(Form)),
            ("twice", and(&format!(r#""iss":"{ISSUER}""#)), Err(Form)),
            ("twice, once escaped", and(r#""is\u0073":"https://issuer.invalid""#), Err(Form)),
            ("escaped slashes", iss("https:\\/\\/accounts.example.com"), Ok(())),
        ],
    );
}

#[test]
fn a_tenant_of_microsoft_is_the_one_of_the_issuer() {
    use NotGood::{Form, Issuer};
    const ORIGIN: &str = "https://login.microsoftonline.com";
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let judge = |tenants: &str, token: &str| {
        let tenants = Tenants::parse(tenants).unwrap();
        judge_for(&IssuerRule::Microsoft { origin: ORIGIN.to_owned(), tenants }, token)
    };
    let of = |iss: &str, tid: &str| with(ISSUER, &format!(r#"{iss}"{tid},"x":""#));
    let tid = |tenant: &str| format!(r#","tid":"{tenant}""#);
    let iss = |tenant: &str| format!("{ORIGIN}/{tenant}/v2.0");
    let good = of(&iss(TENANT), &tid(TENANT));
    let consumer = of(&iss(CONSUMERS), &tid(CONSUMERS));
    for (tenants, organization, person) in [
        (TENANT, Ok(()), Err(Issuer)),
        ("organizations", Ok(()), Err(Issuer)),
        ("consumers", Err(Issuer), Ok(())),
        ("common", Ok(()), Ok(())),
        ("11111111-2222-3333-4444-555555555555", Err(Issuer), Err(Issuer)),
    ] {
        assert_eq!(judge(tenants, &good).map(drop), organization, "{tenants}");
        assert_eq!(judge(tenants, &consumer).map(drop), person, "{tenants}");
    }
    assert_eq!(judge("common", &good).unwrap().subject.issuer, iss(TENANT));
    for (what, token, wanted) in [
        ("none", of(&iss(TENANT), ""), Issuer),
        ("another", of(&iss(TENANT), &tid(CONSUMERS)), Issuer),
        ("that of persons in an organisation's", of(&iss(CONSUMERS), &tid(TENANT)), Issuer),
        ("empty", of(&iss(""), &tid("")), Issuer),
        ("a word", of(&iss("common"), &tid("common")), Issuer),
        ("a tenant that is left open", of(&iss("{tenantid}"), &tid("{tenantid}")), Issuer),
        ("in upper case", of(&iss(&TENANT.to_uppercase()), &tid(&TENANT.to_uppercase())), Issuer),
        ("a path", of(&iss(&format!("{TENANT}/../x")), &tid(&format!("{TENANT}/../x"))), Issuer),
        ("of the version before", of(&format!("https://sts.windows.net/{TENANT}/"), &tid(TENANT)), Issuer),
        ("without a version", of(&format!("{ORIGIN}/{TENANT}"), &tid(TENANT)), Issuer),
        ("elsewhere", of(&format!("https://evil.example/{TENANT}/v2.0"), &tid(TENANT)), Issuer),
        ("null", of(&iss(TENANT), r#","tid":null"#), Form),
        ("a number", of(&iss(TENANT), r#","tid":1"#), Form),
        ("a list", of(&iss(TENANT), &format!(r#","tid":["{TENANT}"]"#)), Form),
        ("twice", of(&iss(TENANT), &tid(TENANT).repeat(2)), Form),
        (
            "twice, once escaped",
            of(&iss(TENANT), &format!(r#"{},"t\u0069d":"{CONSUMERS}""#, tid(TENANT))),
            Form,
        ),
    ] {
        assert_eq!(judge("common", &token), Err(wanted), "{what}");
        assert!(judge("organizations", &token).is_err() && judge("consumers", &token).is_err(), "{what}");
    }
}

#[test]
fn claims_are_an_object_of_utf8() {
    use NotGood::Form;
    let invalid = |text: &str, at: &str, bytes: &[u8]| {
        let (before, behind) = text.split_once(at).unwrap();
        of([before.as_bytes(), bytes, behind.as_bytes()].concat())
    };
    let list = r#"["https://accounts.example.com","alice-1","client-1.apps.example.com","client-1.apps.example.com",1800003600,1800000000,1800000000,"n-0S6_WzA2Mj","x","alice@example.com","x"]"#;
    let other = CLAIMS.replacen('{', r#"{"x":"??","#, 1);
    let name = CLAIMS.replacen('{', r#"{"??":1,"#, 1);
    let deep = |name: &str| and(&format!(r#""{name}":{}{}"#, "[".repeat(5000), "]".repeat(5000)));
    judged(
        27,
        &[
            ("a list", of(list), Err(Form)),
            ("a list of the claims", of(format!("[{CLAIMS}]")), Err(Form)),
            ("a text", of(format!("{:?}", CLAIMS)), Err(Form)),
            ("null", of("null"), Err(Form)),
            ("nothing in it", of("{}"), Err(Form)),
            ("nothing", of(""), Err(Form)),
            ("BOM", of(format!("\u{feff}{CLAIMS}")), Err(Form)),
            ("UTF-16", of(CLAIMS.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()), Err(Form)),
            ("text behind", of(format!("{CLAIMS}x")), Err(Form)),
            ("claims behind", of(format!("{CLAIMS}{CLAIMS}")), Err(Form)),
            ("NUL behind", of(format!("{CLAIMS}\0")), Err(Form)),
            ("a comma more", with(r#"com"}"#, r#"com",}"#), Err(Form)),
            ("a comment", with("{", "{/* */"), Err(Form)),
            ("quoted once", with(r#""iss""#, "'iss'"), Err(Form)),
            ("cut", of(&CLAIMS[..CLAIMS.len() - 1]), Err(Form)),
            ("no UTF-8 in the subject", invalid(CLAIMS, "alice", &[0xff]), Err(Form)),
            ("no UTF-8 in what nobody reads", invalid(&other, "??", &[0xff]), Err(Form)),
            ("no UTF-8 in a name", invalid(&name, "??", &[0xff]), Err(Form)),
            ("no UTF-8 behind", of([CLAIMS.as_bytes(), &[0xff]].concat()), Err(Form)),
            ("a surrogate in UTF-8", invalid(CLAIMS, "alice", &[0xed, 0xa0, 0x80]), Err(Form)),
            ("a byte too many in UTF-8", invalid(CLAIMS, "alice", &[0xc1, 0xa1]), Err(Form)),
            ("deep, where nobody reads", deep("x"), Ok(())),
            ("deep", deep("preferred_username"), Err(Form)),
            ("white space", of(format!(" \r\n\t{CLAIMS}\n")), Ok(())),
            ("a name in upper case", with(r#""sub""#, r#""SUB""#), Err(Form)),
            ("names escaped", with(r#""sub""#, r#""\u0073\u0075\u0062""#), Ok(())),
            ("more", and(r#""hd":"example.com","at_hash":"x","email_verified":true,"groups":["a"]"#), Ok(())),
        ],
    );
}

#[test]
fn an_address_is_for_people_and_makes_nobody_another() {
    let address = |to: &str| {
        let identity = judge(&with(r#""email":"alice@example.com""#, to)).unwrap();
        assert_eq!((&*identity.subject.issuer, &*identity.subject.subject), (ISSUER, "alice-1"), "{to}");
        identity.address.map(|address| address.as_str().to_owned())
    };
    let bob = Some("bob@example.com".to_owned());
    assert_eq!(address(r#""email":"Bob@Example.com""#), bob);
    assert_eq!(address(r#""preferred_username":"bob@example.com""#), bob);
    for none in ["1", "null", "true", "[]", r#"["bob@example.com"]"#, r#""""#, r#""bob""#, r#""a@b@c""#] {
        assert_eq!(address(&format!(r#""email":{none}"#)), None, "{none}");
        let second = format!(r#""email":{none},"preferred_username":"bob@example.com""#);
        assert_eq!(address(&second), bob, "{none}");
        let second = format!(r#""email":"bob@example.com","preferred_username":{none}"#);
        assert_eq!(address(&second), bob, "{none}");
    }
    assert_eq!(address(r#""email":"bob@example.com","preferred_username":"eve@example.com""#), bob);
    for twice in ["email", "preferred_username"] {
        let token = and(&format!(r#""{twice}":"a@b.example","{twice}":"a@b.example""#));
        assert_eq!(judge(&token), Err(NotGood::Form), "{twice}");
    }
}

/// What is wrong with the provider is said before what is wrong with the transaction, whatever else is wrong.
#[test]
fn what_is_wrong_first_is_said() {
    let mut claims = CLAIMS.to_owned();
    for (from, to, said) in [
        ("alice-1", "", NotGood::Form),
        ("1800003600", "1", NotGood::Time),
        (NONCE, "other", NotGood::Nonce),
        (CLIENT, "other", NotGood::Audience),
        (ISSUER, "other", NotGood::Issuer),
        ("{", "[", NotGood::Form),
    ] {
        claims = claims.replacen(from, to, 1);
        assert_eq!(judge(&of(&claims)), Err(said), "{claims}");
    }
}
