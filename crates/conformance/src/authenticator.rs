//! A software authenticator: passkeys of each algorithm, with answers that can be altered before they are signed.

use crate::{
    client::Request,
    world::{ISSUER, Person, World},
};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    },
};
use coset::{
    CborSerializable as _, CoseKey, CoseKeyBuilder, KeyType, Label,
    cbor::{Value as Cbor, ser::into_writer},
    iana::{self, EnumI64 as _},
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

/// What the authenticator says of its user: there, and verified.
pub const PRESENT: u8 = 1;
/// Verified.
pub const VERIFIED: u8 = 1 << 2;
/// The credential may be on several devices.
pub const BACKUP_ELIGIBLE: u8 = 1 << 3;
/// It is.
pub const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
/// Extensions follow.
pub const EXTENDED: u8 = 1 << 7;

/// What signs.
pub enum Pair {
    /// ES256.
    Ec(EcdsaKeyPair),
    /// EdDSA.
    Ed(Ed25519KeyPair),
    /// RS256.
    Rsa(Box<RsaKeyPair>),
}

impl Pair {
    /// One of ES256.
    pub fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }
    /// One of EdDSA.
    pub fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }
    /// One of RS256.
    pub fn rsa(size: KeySize) -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(size).unwrap()))
    }
    /// The public half in COSE.
    pub fn cose(&self) -> CoseKey {
        match self {
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (point[1..33].to_vec(), point[33..].to_vec());
                let key = CoseKeyBuilder::new_ec2_pub_key(iana::EllipticCurve::P_256, x, y);
                key.algorithm(iana::Algorithm::ES256).build()
            }
            Self::Ed(pair) => {
                let curve = Cbor::from(iana::EllipticCurve::Ed25519.to_i64());
                let x = Cbor::Bytes(pair.public_key().as_ref().to_vec());
                CoseKeyBuilder::new_okp_key()
                    .algorithm(iana::Algorithm::EdDSA)
                    .param(iana::OkpKeyParameter::Crv.to_i64(), curve)
                    .param(iana::OkpKeyParameter::X.to_i64(), x)
                    .build()
            }
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let parts = [
                    (iana::RsaKeyParameter::N, key.modulus().big_endian_without_leading_zero().to_vec()),
                    (iana::RsaKeyParameter::E, key.exponent().big_endian_without_leading_zero().to_vec()),
                ];
                let params = parts.map(|(name, bytes)| (Label::Int(name.to_i64()), Cbor::Bytes(bytes)));
                CoseKey {
                    kty: KeyType::Assigned(iana::KeyType::RSA),
                    alg: Some(coset::Algorithm::Assigned(iana::Algorithm::RS256)),
                    params: params.into(),
                    ..CoseKey::default()
                }
            }
        }
    }
    /// Its signature of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// A passkey in an authenticator.
pub struct Passkey {
    /// The credential's identifier.
    pub id: Vec<u8>,
    /// Whose it is: the bytes of a person's identifier.
    pub user: Vec<u8>,
    /// What signs.
    pub pair: Pair,
    counter: AtomicU32,
    /// Whether it counts: those that are on several devices do not.
    counts: bool,
}

impl fmt::Debug for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passkey({})", BASE64URL_NOPAD.encode(&self.id))
    }
}

/// What an authenticator and a browser are about to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The credential's identifier.
    pub id: Vec<u8>,
    /// `clientDataJSON`.
    pub client: Value,
    /// The relying party's identifier.
    pub site: String,
    /// What the authenticator says of its user and of the credential.
    pub flags: u8,
    /// The counter.
    pub counter: u32,
    /// The identifier and the public key of a new credential.
    pub attested: Option<(Vec<u8>, Vec<u8>)>,
    /// What stands behind.
    pub behind: Vec<u8>,
    /// The attestation object but for its data.
    pub attestation: Vec<(Cbor, Cbor)>,
    /// Whose it is, as the authenticator says.
    pub user: Option<Vec<u8>>,
}

impl Answer {
    /// Authenticator data.
    pub fn data(&self) -> Vec<u8> {
        let attested = self.attested.as_ref().map_or_else(Vec::new, |(id, key)| {
            let length = u16::try_from(id.len()).unwrap().to_be_bytes();
            [[0; 16].as_slice(), &length, id, key].concat()
        });
        let flags = if self.attested.is_some() { self.flags | ATTESTED } else { self.flags };
        let site = Sha256::digest(&self.site);
        [site.as_slice(), &[flags], &self.counter.to_be_bytes(), &attested, &self.behind].concat()
    }
    /// The bytes of `clientDataJSON`.
    pub fn client_data(&self) -> Vec<u8> {
        self.client.to_string().into_bytes()
    }
    /// The attestation object.
    pub fn object(&self) -> Vec<u8> {
        let data = (Cbor::from("authData"), Cbor::Bytes(self.data()));
        cbor(&Cbor::Map(self.attestation.iter().cloned().chain([data]).collect()))
    }
    /// What is signed of it.
    pub fn message(&self) -> Vec<u8> {
        [self.data().as_slice(), &Sha256::digest(self.client_data())].concat()
    }
    /// `RegistrationResponseJSON`.
    pub fn registration(&self) -> Value {
        let response = json!({ "clientDataJSON": text(&self.client_data()), "attestationObject": text(&self.object()),
            "transports": ["internal"] });
        self.with(&response)
    }
    /// `AuthenticationResponseJSON`, signed.
    pub fn assertion(&self, pair: &Pair) -> Value {
        self.with(
            &json!({ "clientDataJSON": text(&self.client_data()), "authenticatorData": text(&self.data()),
            "signature": text(&pair.sign(&self.message())), "userHandle": self.user.as_deref().map(text) }),
        )
    }
    fn with(&self, response: &Value) -> Value {
        let id = text(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {},
            "authenticatorAttachment": "platform" })
    }
}

/// The bytes of a value.
pub fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    into_writer(value, &mut bytes).unwrap();
    bytes
}

/// In base64url.
pub fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

impl Passkey {
    /// Makes a passkey of a person, that counts its signatures.
    pub fn new(person: &str, pair: Pair) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        let person: auth_core::id::PersonId = person.parse().unwrap();
        let number = MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let id = Sha256::digest([person.as_bytes().as_slice(), &number].concat()).to_vec();
        let user = person.as_bytes().to_vec();
        Self { id, user, pair, counter: AtomicU32::new(0), counts: true }
    }
    /// One that may be on several devices, and does not count.
    pub fn synced(person: &str, pair: Pair) -> Self {
        Self { counts: false, ..Self::new(person, pair) }
    }

    fn answer(&self, ceremony: &str, challenge: &str) -> Answer {
        let counter = if self.counts { self.counter.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        let synced = if self.counts { 0 } else { BACKUP_ELIGIBLE | BACKED_UP };
        let host = ISSUER.split_once("://").unwrap().1;
        Answer {
            id: self.id.clone(),
            client: json!({ "type": ceremony, "challenge": challenge, "origin": ISSUER, "crossOrigin": false }),
            site: host.to_owned(),
            flags: PRESENT | VERIFIED | synced,
            counter,
            attested: None,
            behind: Vec::new(),
            attestation: Vec::new(),
            user: None,
        }
    }
    /// What it answers when it is made.
    pub fn made(&self, challenge: &str) -> Answer {
        let statement = [("fmt", Cbor::from("none")), ("attStmt", Cbor::Map(Vec::new()))];
        Answer {
            attested: Some((self.id.clone(), self.pair.cose().to_vec().unwrap())),
            attestation: statement.map(|(name, value)| (Cbor::from(name), value)).into(),
            ..self.answer("webauthn.create", challenge)
        }
    }
    /// What it answers when it is shown.
    pub fn shown(&self, challenge: &str) -> Answer {
        Answer { user: Some(self.user.clone()), ..self.answer("webauthn.get", challenge) }
    }
    /// The same, signed.
    pub fn show(&self, challenge: &str) -> Value {
        self.shown(challenge).assertion(&self.pair)
    }
}

impl World {
    /// Draws a challenge for the person of each tenant to register a passkey: one is over once its answer was read, whatever
    /// came of it.
    pub async fn challenge_anew(&mut self) {
        self.a.person = self.registering(self.a.person.clone()).await;
        self.b.person = self.registering(self.b.person.clone()).await;
    }

    /// Begins to register a passkey of a person, and makes it.
    pub async fn registering(&self, person: Person) -> Person {
        let challenge = self.registration_challenge(&person).await;
        let made = Passkey::new(&person.id, Pair::ec()).made(&challenge);
        Person { registration: made.registration().to_string(), ..person }
    }

    /// A challenge to register a passkey, for a person's session.
    pub async fn registration_challenge(&self, person: &Person) -> String {
        let start = Request::new("POST", "/auth/mfa/webauthn/register/start").bearer(&person.access);
        let answer = self.chatbot(start).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.field("challenge")
    }

    /// Registers a passkey of a person, who is logged in by it then.
    pub async fn with_passkey(&self, person: &Person, make: impl FnOnce(&str) -> Passkey) -> Person {
        let challenge = self.registration_challenge(person).await;
        let passkey = Arc::new(make(&person.id));
        let body = json!({ "name": "A telephone", "credential": passkey.made(&challenge).registration() });
        let finish = Request::post("/auth/mfa/webauthn/register/finish", &body.to_string());
        let person = self.in_session(person, &self.chatbot(finish.bearer(&person.access)).await).await;
        let factors = self.chatbot(Request::get("/auth/mfa").bearer(&person.access)).await.json();
        let id = factors["passkeys"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        Person { passkey: Some((passkey, id)), ..person }
    }
}
