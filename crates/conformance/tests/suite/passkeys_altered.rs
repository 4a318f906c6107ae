//! Row D10: answers of an authenticator that are altered in one thing each, before they are signed or after. All are
//! refused: by the core for what is wrong with them, and over HTTP without a word.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    id::PersonId,
    jwt::Issuer,
    webauthn::{Asserted, Assertion, Attestation, Passkey as Kept, Site, Wrong},
};
use aws_lc_rs::rsa::KeySize;
use conformance::{
    authenticator::{
        Answer, BACKED_UP, BACKUP_ELIGIBLE, EXTENDED, PRESENT, Pair, Passkey, VERIFIED, cbor, text,
    },
    client::{Request, Response},
    place::changes,
    world::{ISSUER, World},
};
use coset::{
    CborSerializable as _, CoseKey, CoseKeyBuilder, KeyOperation, KeyType, Label,
    cbor::Value as Cbor,
    iana::{self, EnumI64 as _},
};
use serde_json::{Value, json};
use std::time::Duration;

const PERSON: PersonId = PersonId::from_bytes([7; 16]);

/// What is altered in one answer, and what is wrong with it then.
type Altered = (&'static str, Wrong, fn(&mut Answer));

/// What is wrong with either ceremony.
const EITHER: &[Altered] = &[
    ("another origin", Wrong::Origin, |answer| answer.client["origin"] = json!("https://evil.example")),
    ("a host below", Wrong::Origin, |answer| answer.client["origin"] = json!("https://a.chat.example.com")),
    ("a host above", Wrong::Origin, |answer| answer.client["origin"] = json!("https://example.com")),
    ("another scheme", Wrong::Origin, |answer| answer.client["origin"] = json!("http://chat.example.com")),
    ("another port", Wrong::Origin, |answer| {
        answer.client["origin"] = json!("https://chat.example.com:8443")
    }),
    ("a slash", Wrong::Origin, |answer| answer.client["origin"] = json!("https://chat.example.com/")),
    ("capitals", Wrong::Origin, |answer| answer.client["origin"] = json!("https://CHAT.example.com")),
    ("no origin", Wrong::ClientData, |answer| drop(answer.client.as_object_mut().unwrap().remove("origin"))),
    ("an origin of null", Wrong::ClientData, |answer| answer.client["origin"] = Value::Null),
    ("no type", Wrong::ClientData, |answer| drop(answer.client.as_object_mut().unwrap().remove("type"))),
    ("a payment", Wrong::Ceremony, |answer| answer.client["type"] = json!("payment.get")),
    ("in a frame", Wrong::Framed, |answer| answer.client["crossOrigin"] = json!(true)),
    ("in a page of its own", Wrong::Framed, |answer| answer.client["topOrigin"] = json!(ISSUER)),
    ("another party", Wrong::Site, |answer| answer.site = "evil.example".to_owned()),
    ("the party above", Wrong::Site, |answer| answer.site = "example.com".to_owned()),
    ("the origin as the party", Wrong::Site, |answer| answer.site = ISSUER.to_owned()),
    ("nobody verified", Wrong::Unverified, |answer| answer.flags &= !VERIFIED),
    ("nobody there", Wrong::Absent, |answer| answer.flags &= !PRESENT),
    ("nobody at all", Wrong::Absent, |answer| answer.flags = 0),
    ("backed up where it cannot be", Wrong::Backup, |answer| answer.flags |= BACKED_UP),
    ("something behind", Wrong::Data, |answer| answer.behind = vec![0]),
    ("extensions that are none", Wrong::Data, |answer| answer.flags |= EXTENDED),
    ("extensions that are a list", Wrong::Data, |answer| {
        answer.flags |= EXTENDED;
        answer.behind = cbor(&Cbor::Array(Vec::new()));
    }),
    ("something behind the extensions", Wrong::Data, |answer| {
        answer.flags |= EXTENDED;
        answer.behind = [cbor(&Cbor::Map(Vec::new())), vec![0]].concat();
    }),
];

/// What is wrong with a passkey that is shown.
const SHOWN: &[Altered] = &[
    ("a registration", Wrong::Ceremony, |answer| answer.client["type"] = json!("webauthn.create")),
    ("another credential's", Wrong::Another, |answer| answer.id[0] ^= 1),
    ("no credential's", Wrong::Another, |answer| answer.id.clear()),
    ("another person's", Wrong::Another, |answer| answer.user = Some([8; 16].into())),
    ("a longer person's", Wrong::Another, |answer| answer.user.as_mut().unwrap().push(0)),
    ("an empty person's", Wrong::Another, |answer| answer.user = Some(Vec::new())),
    ("on several devices, suddenly", Wrong::Backup, |answer| answer.flags |= BACKUP_ELIGIBLE | BACKED_UP),
    ("a new credential in it", Wrong::Credential, |answer| {
        answer.attested = Some((answer.id.clone(), Pair::ec().cose().to_vec().unwrap()));
    }),
];

fn key(answer: &mut Answer, alter: impl FnOnce(&mut CoseKey)) {
    let (_, key) = answer.attested.as_mut().unwrap();
    let mut cose = CoseKey::from_slice(key).unwrap();
    alter(&mut cose);
    *key = cose.to_vec().unwrap();
}

/// A parameter of the key, set.
fn parameter(key: &mut CoseKey, name: impl iana::EnumI64, value: Cbor) {
    let label = Label::Int(name.to_i64());
    key.params.retain(|(found, _)| *found != label);
    key.params.push((label, value));
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Vec<u8> {
    let mut key = CoseKey {
        kty: KeyType::Assigned(iana::KeyType::RSA),
        alg: Some(coset::Algorithm::Assigned(iana::Algorithm::RS256)),
        ..CoseKey::default()
    };
    parameter(&mut key, iana::RsaKeyParameter::N, Cbor::Bytes(n));
    parameter(&mut key, iana::RsaKeyParameter::E, Cbor::Bytes(e));
    key.to_vec().unwrap()
}

fn attested(answer: &mut Answer) -> &mut (Vec<u8>, Vec<u8>) {
    answer.attested.as_mut().unwrap()
}

/// What is wrong with a passkey that is made: of the algorithms, each that is not offered.
const MADE: &[Altered] = &[
    ("a login", Wrong::Ceremony, |answer| answer.client["type"] = json!("webauthn.get")),
    ("no credential", Wrong::Credential, |answer| answer.attested = None),
    ("another identifier", Wrong::Credential, |answer| answer.id[0] ^= 1),
    ("an empty identifier", Wrong::Credential, |answer| {
        answer.id.clear();
        attested(answer).0.clear();
    }),
    ("too long an identifier", Wrong::Credential, |answer| {
        answer.id = vec![1; 1024];
        attested(answer).0 = vec![1; 1024];
    }),
    ("attested by a vendor", Wrong::Attestation, |answer| answer.attestation[0].1 = Cbor::from("packed")),
    ("attested by a platform", Wrong::Attestation, |answer| answer.attestation[0].1 = Cbor::from("apple")),
    ("a format of capitals", Wrong::Attestation, |answer| answer.attestation[0].1 = Cbor::from("None")),
    ("a statement", Wrong::Attestation, |answer| {
        answer.attestation[1].1 = Cbor::Map(vec![(Cbor::from("alg"), Cbor::from(-7))]);
    }),
    ("no format", Wrong::Attestation, |answer| drop(answer.attestation.remove(0))),
    ("no statement", Wrong::Attestation, |answer| drop(answer.attestation.remove(1))),
    ("a further member", Wrong::Attestation, |answer| {
        answer.attestation.push((Cbor::from("more"), Cbor::from(1)));
    }),
    ("two formats", Wrong::Attestation, |answer| answer.attestation[1].0 = Cbor::from("fmt")),
    ("no key", Wrong::Data, |answer| attested(answer).1.clear()),
    ("a key that is no map", Wrong::Key, |answer| attested(answer).1 = cbor(&Cbor::from(1))),
    ("half a key", Wrong::Data, |answer| attested(answer).1.truncate(40)),
    ("no algorithm", Wrong::Key, |answer| key(answer, |key| key.alg = None)),
    ("ES384", Wrong::Key, |answer| {
        key(answer, |key| key.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::ES384)));
    }),
    ("ES256K", Wrong::Key, |answer| {
        key(answer, |key| key.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::ES256K)));
    }),
    ("RS256 of a curve", Wrong::Key, |answer| {
        key(answer, |key| key.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::RS256)));
    }),
    ("RS1", Wrong::Key, |answer| {
        attested(answer).1 = rsa(vec![0xff; 256], vec![1, 0, 1]);
        key(answer, |key| key.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::RS1)));
    }),
    ("PS256", Wrong::Key, |answer| {
        attested(answer).1 = rsa(vec![0xff; 256], vec![1, 0, 1]);
        key(answer, |key| key.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::PS256)));
    }),
    ("a symmetric key", Wrong::Key, |answer| {
        let symmetric = CoseKeyBuilder::new_symmetric_key(vec![1; 32]);
        attested(answer).1 = symmetric.algorithm(iana::Algorithm::HMAC_256_256).build().to_vec().unwrap();
    }),
    ("another curve", Wrong::Key, |answer| {
        let curve = Cbor::from(iana::EllipticCurve::P_384.to_i64());
        key(answer, |key| parameter(key, iana::Ec2KeyParameter::Crv, curve));
    }),
    ("a point that is none", Wrong::Key, |answer| {
        key(answer, |key| parameter(key, iana::Ec2KeyParameter::Y, Cbor::Bytes(vec![1; 32])));
    }),
    ("a compressed point", Wrong::Key, |answer| {
        key(answer, |key| parameter(key, iana::Ec2KeyParameter::Y, Cbor::Bool(true)));
    }),
    ("a name of the key", Wrong::Key, |answer| key(answer, |key| key.key_id = vec![1])),
    ("uses of the key", Wrong::Key, |answer| {
        key(answer, |key| _ = key.key_ops.insert(KeyOperation::Assigned(iana::KeyOperation::Verify)));
    }),
    ("the private key", Wrong::Key, |answer| {
        key(answer, |key| parameter(key, iana::Ec2KeyParameter::D, Cbor::Bytes(vec![1; 32])));
    }),
    ("Ed448", Wrong::Key, |answer| {
        attested(answer).1 = Pair::ed().cose().to_vec().unwrap();
        let curve = Cbor::from(iana::EllipticCurve::Ed448.to_i64());
        key(answer, |key| parameter(key, iana::OkpKeyParameter::Crv, curve));
    }),
    ("a short modulus", Wrong::Key, |answer| attested(answer).1 = rsa(vec![0xff; 128], vec![1, 0, 1])),
    ("a long modulus", Wrong::Key, |answer| attested(answer).1 = rsa(vec![0xff; 1024], vec![1, 0, 1])),
    ("an exponent of 3", Wrong::Key, |answer| attested(answer).1 = rsa(vec![0xff; 256], vec![3])),
];

/// What is altered once it is signed.
type Tampered = (&'static str, fn(&mut Value));

fn bytes(member: &Value) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD.decode(member.as_str().unwrap().as_bytes()).unwrap()
}

const TAMPERED: &[Tampered] = &[
    ("another last byte", |response| {
        let mut signature = bytes(&response["signature"]);
        *signature.last_mut().unwrap() ^= 1;
        response["signature"] = json!(text(&signature));
    }),
    ("a byte more", |response| {
        let signature = [bytes(&response["signature"]), vec![0]].concat();
        response["signature"] = json!(text(&signature));
    }),
    ("no signature", |response| response["signature"] = json!("")),
    ("an empty sequence", |response| response["signature"] = json!(text(&[0x30, 0]))),
    ("zeros", |response| response["signature"] = json!(text(&[0x30, 6, 2, 1, 0, 2, 1, 0]))),
    ("r and s as they are", |response| response["signature"] = json!(text(&[1; 64]))),
    ("another counter", |response| {
        let mut data = bytes(&response["authenticatorData"]);
        data[36] ^= 1;
        response["authenticatorData"] = json!(text(&data));
    }),
    ("another client's data", |response| {
        let mut said: Value = serde_json::from_slice(&bytes(&response["clientDataJSON"])).unwrap();
        said["more"] = json!(1);
        response["clientDataJSON"] = json!(text(said.to_string().as_bytes()));
    }),
    ("another key's", |response| {
        let (data, said) = (bytes(&response["authenticatorData"]), bytes(&response["clientDataJSON"]));
        let digest = <sha2::Sha256 as sha2::Digest>::digest(said);
        response["signature"] = json!(text(&Pair::ec().sign(&[data.as_slice(), &digest].concat())));
    }),
];

const CHALLENGE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn attestation(answer: &Answer) -> Attestation {
    Attestation { id: answer.id.clone(), client_data: answer.client_data(), object: answer.object() }
}

fn assertion(answer: &Answer, pair: &Pair) -> Assertion {
    let signed = answer.assertion(pair)["response"].clone();
    tampered(answer, &signed)
}

/// What is judged of an answer in JSON.
fn tampered(answer: &Answer, response: &Value) -> Assertion {
    Assertion {
        id: answer.id.clone(),
        client_data: bytes(&response["clientDataJSON"]),
        data: bytes(&response["authenticatorData"]),
        signature: bytes(&response["signature"]),
        user: answer.user.clone(),
    }
}

fn every_pair() -> [Pair; 3] {
    [Pair::ec(), Pair::ed(), Pair::rsa(KeySize::Rsa2048)]
}

fn registered(key: &Passkey) -> Kept {
    let site = issuer();
    Site::of(&site).registered(&attestation(&key.made(CHALLENGE))).unwrap().passkey
}

#[test]
fn an_altered_registration_is_refused_for_what_is_wrong_with_it() {
    let issuer = issuer();
    let site = Site::of(&issuer);
    for pair in every_pair() {
        let key = Passkey::new(&PERSON.to_string(), pair);
        let kept = site.registered(&attestation(&key.made(CHALLENGE))).unwrap();
        assert_eq!((kept.passkey.credential.as_slice(), kept.counter), (key.id.as_slice(), 1));
    }
    let key = Passkey::new(&PERSON.to_string(), Pair::ec());
    for (what, wrong, alter) in EITHER.iter().chain(MADE) {
        let mut answer = key.made(CHALLENGE);
        alter(&mut answer);
        assert_eq!(site.registered(&attestation(&answer)).err(), Some(*wrong), "{what}");
    }
    // What nobody asked for, and does no harm.
    let mut answer = key.made(CHALLENGE);
    answer.flags |= EXTENDED;
    answer.behind = cbor(&Cbor::Map(vec![(Cbor::from("credProtect"), Cbor::from(2))]));
    answer.client["more"] = json!("do not compare clientDataJSON against a template");
    assert!(site.registered(&attestation(&answer)).is_ok());
    let object = [answer.object(), vec![0]].concat();
    let longer = Attestation { object, ..attestation(&answer) };
    assert_eq!(site.registered(&longer).err(), Some(Wrong::Attestation));
    for client_data in
        ["", "null", "[]", "{}", "\u{feff}{}", "{\"type\":\"webauthn.create\"", "\"webauthn.create\""]
    {
        let other = Attestation { client_data: client_data.into(), ..attestation(&answer) };
        assert_eq!(site.registered(&other).err(), Some(Wrong::ClientData), "{client_data}");
    }
    let said = String::from_utf8(answer.client_data()).unwrap();
    let twice = said.replacen('{', "{\"origin\":\"https://evil.example\",", 1);
    let twice = Attestation { client_data: twice.into(), ..attestation(&answer) };
    assert_eq!(site.registered(&twice).err(), Some(Wrong::ClientData), "of two members none counts");
}

#[test]
fn an_altered_assertion_is_refused_for_what_is_wrong_with_it() {
    let issuer = issuer();
    let site = Site::of(&issuer);
    for pair in every_pair() {
        let key = Passkey::new(&PERSON.to_string(), pair);
        let kept = registered(&key);
        let judge = |answer: &Answer| site.asserted(PERSON, &kept, &assertion(answer, &key.pair));
        assert_eq!(judge(&key.shown(CHALLENGE)), Ok(Asserted { counter: 2 }));
        for (what, wrong, alter) in EITHER.iter().chain(SHOWN) {
            let mut answer = key.shown(CHALLENGE);
            alter(&mut answer);
            assert_eq!(judge(&answer), Err(*wrong), "{what}");
        }
        for (what, alter) in TAMPERED {
            let answer = key.shown(CHALLENGE);
            let mut response = answer.assertion(&key.pair)["response"].clone();
            alter(&mut response);
            let judged = site.asserted(PERSON, &kept, &tampered(&answer, &response));
            assert_eq!(judged, Err(Wrong::Signature), "{what}");
        }
        // What it need not say.
        let mut answer = key.shown(CHALLENGE);
        answer.user = None;
        answer.client.as_object_mut().unwrap().remove("crossOrigin");
        assert!(judge(&answer).is_ok());
        assert_eq!(
            site.asserted(PersonId::from_bytes([8; 16]), &kept, &assertion(&key.shown(CHALLENGE), &key.pair)),
            Err(Wrong::Another)
        );
    }
    let key = Passkey::synced(&PERSON.to_string(), Pair::ec());
    let (kept, mut answer) = (registered(&key), key.shown(CHALLENGE));
    answer.flags = PRESENT | VERIFIED;
    let judged = site.asserted(PERSON, &kept, &assertion(&answer, &key.pair));
    assert_eq!(judged, Err(Wrong::Backup), "on one device, suddenly");
    answer.flags |= BACKUP_ELIGIBLE;
    let judged = site.asserted(PERSON, &kept, &assertion(&answer, &key.pair));
    assert_eq!(judged, Ok(Asserted { counter: 0 }), "it need not be backed up");
}

/// All that an answer tells, but for which request it is, and when it was.
fn told(answer: &Response) -> (u16, Value) {
    let mut body = answer.json();
    body["request_id"].take();
    (answer.status, body)
}

async fn post(world: &World, path: &str, body: &Value, access: Option<&str>) -> Response {
    let request = Request::post(path, &body.to_string());
    world.chatbot(access.map_or(request.clone(), |access| request.bearer(access))).await
}

/// Makes an answer to a challenge.
type Making<'a> = Box<dyn Fn(&str) -> Value + 'a>;

/// Forgets guesses and the limits of a minute.
async fn afresh(world: &World) {
    world.place.execute("DELETE FROM attempts").await;
    world.advance(Duration::from_secs(61)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_registration_makes_a_passkey() {
    let world = World::start().await;
    let person = world.log_in(&world.a).await;
    let before = world.dump().await;
    let mut refusals = Vec::new();
    for (number, (what, _, alter)) in EITHER.iter().chain(MADE).enumerate() {
        if number % 20 == 19 {
            // Within a quarter of an hour.
            afresh(&world).await;
        }
        let challenge = world.registration_challenge(&person).await;
        let mut answer = Passkey::new(&person.id, Pair::ec()).made(&challenge);
        alter(&mut answer);
        let body = json!({ "name": "x", "credential": answer.registration() });
        let answer = post(&world, "/auth/mfa/webauthn/register/finish", &body, Some(&person.access)).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        refusals.push(told(&answer));
    }
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "whatever is wrong, the answer is the same");
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    // What the browser says of it in JSON.
    let challenge = world.registration_challenge(&person).await;
    let good = Passkey::new(&person.id, Pair::ec()).made(&challenge).registration();
    for (member, value) in
        [("type", json!("password")), ("rawId", json!("AAAA")), ("id", json!("A")), ("id", json!("AA=="))]
    {
        let mut credential = good.clone();
        credential[member] = value;
        let body = json!({ "name": "x", "credential": credential });
        let answer = post(&world, "/auth/mfa/webauthn/register/finish", &body, Some(&person.access)).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.body);
    }
    for name in [json!(""), json!(" "), json!("n".repeat(65)), json!("a\nb"), json!(null), json!(1)] {
        let body = json!({ "name": name, "credential": good });
        let answer = post(&world, "/auth/mfa/webauthn/register/finish", &body, Some(&person.access)).await;
        assert_eq!((answer.status, answer.field("field")), (400, "name".to_owned()), "{name}");
    }
    let body = json!({ "name": "n".repeat(64), "credential": good });
    let answer = post(&world, "/auth/mfa/webauthn/register/finish", &body, Some(&person.access)).await;
    assert_eq!(answer.status, 200, "none of it read the challenge: {}", answer.body);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_assertion_begins_a_session() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    let key = &strong.passkey.as_ref().unwrap().0;
    let before = world.dump().await;
    let mut refusals = Vec::new();
    let wrong: Vec<(&str, Making<'_>)> = {
        let altered = EITHER.iter().chain(SHOWN).map(|(what, _, alter)| {
            let make: Making<'_> = Box::new(move |challenge| {
                let mut answer = key.shown(challenge);
                alter(&mut answer);
                answer.assertion(&key.pair)
            });
            (*what, make)
        });
        let tampered = TAMPERED.iter().map(|(what, alter)| {
            let make: Making<'_> = Box::new(move |challenge| {
                let mut shown = key.show(challenge);
                alter(&mut shown["response"]);
                shown
            });
            (*what, make)
        });
        altered.chain(tampered).collect()
    };
    for (what, make) in wrong {
        afresh(&world).await;
        let pending = world.pending(&strong).await.pending;
        let asked =
            post(&world, "/auth/mfa/webauthn/challenge", &json!({ "mfa_token": pending }), None).await;
        let shown = make(&asked.field("challenge"));
        let answer =
            post(&world, "/auth/mfa/verify", &json!({ "mfa_token": pending, "webauthn": shown }), None).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        refusals.push(told(&answer));
    }
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "whatever is wrong, the answer is the same");
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    world.end().await;
}
