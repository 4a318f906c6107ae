//! Measures what people's logins cost beside their floors: access tokens, signed and judged.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_core::{
    amr::{Amr, Method},
    credential::Refresh,
    error::StoreError,
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{Algorithm, Claims, EarlierTokens, Issuer, LIFE, SigningKey, SigningKeys, Verifier, VerifyingKey},
    model::{NewSession, Page, Session, SessionEnd, SigningKeyRecord},
    policy::{Granted, OwnPerson},
    port::{
        self, Answer, BeginSession, Change, Creation, EndSession, EndSessions, FoundSession,
        RotateSigningKey, Rotation, Seq, Sessions,
    },
    principal::{Origin, PersonPrincipal},
    seal::{Keyring, Sealed},
    secret::TokenDigest,
    service::Service,
    time::{Clock as _, Timestamp},
    validate::{MOST_HELD, Validator},
};
use auth_web::system::{OsEntropy, SystemClock};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    },
};
use benches::{
    claims::{NOW, claims},
    figure::{Figure, Limit, Rounds, each},
    turns::{Turns, both},
    world::{World, identify},
};
use clap::Parser;
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
use sha2::Sha256;
use std::{hint::black_box, process::ExitCode, sync::Arc};

/// Measures what people's logins cost beside their floors.
#[derive(Parser)]
struct Arguments {
    /// How many rounds a figure is the median of.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

fn main() -> ExitCode {
    let turns = Turns::begin(Arguments::parse().rounds);
    let figures = Algorithm::ALL.map(|algorithm| tokens(&turns, algorithm));
    let sights = sights(&turns);
    let earlier = earlier(&turns);
    turns.end(figures.iter().flatten().chain(&sights).chain(&earlier))
}

/// A store that knows every session: whose person has the session's own bytes.
struct EverySession;

fn unavailable<T>() -> Answer<T> {
    Err(StoreError::Unavailable("not in this measurement".to_owned()))
}

#[async_trait::async_trait]
impl Sessions for EverySession {
    async fn of_refresh(&self, _: &Refresh, _: Timestamp) -> Answer<Option<Session>> {
        unavailable()
    }
    async fn find(&self, id: SessionId) -> Answer<Option<FoundSession>> {
        let principal = PersonPrincipal {
            audience: Service::Chatbot,
            session: id,
            person: PersonId::from_bytes(*id.as_bytes()),
            tenant: None,
            role: None,
            amr: Amr::of([Method::Password]),
            auth_time: NOW,
            expires_at: Timestamp::MAX,
            judged_at: Timestamp::MAX,
        };
        Ok(Some(FoundSession { principal, ended: false }))
    }
    async fn read(&self, _: OwnPerson, _: SessionId, _: Timestamp) -> Answer<Option<Session>> {
        unavailable()
    }
    async fn list(&self, _: OwnPerson, _: Timestamp, _: Page) -> Answer<Vec<Session>> {
        unavailable()
    }
    async fn begin(&self, _: &Granted<BeginSession>, _: NewSession) -> Answer<Creation<Option<Seq>>> {
        unavailable()
    }
    async fn rotate(
        &self,
        _: &Refresh,
        _: &TokenDigest,
        _: Sealed,
        _: &Origin,
        _: Timestamp,
    ) -> Answer<Rotation> {
        unavailable()
    }
    async fn end(&self, _: &Granted<EndSession>, _: SessionEnd, _: Timestamp) -> Answer<Option<Seq>> {
        unavailable()
    }
    async fn end_all(&self, _: &Granted<EndSessions>, _: SessionEnd, _: Timestamp) -> Answer<Seq> {
        unavailable()
    }
    async fn purge(&self, _: Timestamp) -> Answer<()> {
        unavailable()
    }
}

/// What a validator takes for a token of a session that it knows: at first sight, and later.
fn sights(turns: &Turns) -> Vec<Figure> {
    let place = World::cold(1);
    let mut stores = place.platform.stores.clone();
    stores.sessions = Arc::new(EverySession);
    let key = SigningKey::generate(Algorithm::EdDsa, &OsEntropy).unwrap();
    let keyring = Arc::new(Keyring::new(&[[1; 32].into()]).unwrap());
    let issuer = Issuer::parse("https://chat.example.com").unwrap();
    let cell = SigningKeyRecord::cell(key.public().kid());
    stores.signing_keys = Arc::new(OneKey(SigningKeyRecord {
        number: 1,
        kid: key.public().kid().clone(),
        algorithm: Algorithm::EdDsa,
        sealed: keyring.seal(&cell, &key.to_pkcs8().unwrap(), &OsEntropy),
        created_at: NOW,
        signs_from: NOW,
        ends_at: None,
    }));
    let keys = Arc::new(SigningKeys::new(issuer.clone(), keyring));
    let raw = Raw::of(&key).public();
    let clock = Arc::new(SystemClock::start());
    let validator = Validator::new(Service::Chatbot, stores, Arc::clone(&clock) as _, [9; 16], MOST_HELD);
    let validator = validator.with_signing_keys(keys);
    let mut number = 0;
    let [mut first, mut later] = [(); 2].map(|()| Rounds::default());
    turns.run("sights of tokens", |floor_first| {
        validator.renew().now_or_never().unwrap().unwrap();
        // Every token is of one session, which the first of a round makes known, and new to the validator.
        let texts: Vec<_> = (0..=SAMPLE)
            .map(|_| {
                number += 1;
                let id = AccessTokenId::from_bytes((number as u128).to_be_bytes());
                let issued_at = clock.now();
                let new =
                    Claims { id, issued_at, expires_at: issued_at + LIFE, auth_time: issued_at, ..claims(7) };
                issuer.issue(&key, &new).unwrap().expose().to_owned()
            })
            .collect();
        let (before, texts) = texts.split_first().unwrap();
        let see = |text: &String| assert!(identify(&validator, text, validator.reading()).is_some());
        see(before);
        let parts: Vec<_> = texts
            .iter()
            .map(|text| {
                let (message, signature) = text.rsplit_once('.').unwrap();
                (message.as_bytes(), BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap())
            })
            .collect();
        let all = || each(SAMPLE, || texts.iter().for_each(see));
        let check = || {
            each(SAMPLE, || {
                parts.iter().for_each(|(message, signature)| raw.verify_sig(message, signature).unwrap())
            })
        };
        let (ours, floor) = both(all, check, floor_first);
        first.note(ours, floor);
        let digest = || each(SAMPLE, || texts.iter().for_each(|text| _ = black_box(TokenDigest::of(text))));
        let again = || each(SAMPLE * 8, || (0..8).for_each(|_| texts.iter().for_each(see)));
        let (ours, floor) = both(again, digest, floor_first);
        later.note(ours, floor);
    });
    turns.tell(vec![
        Figure::of("first sight at the validator, EdDSA: raw check", &first, Limit::Times(1.08)),
        Figure::of("later sight of a token: its SHA-256", &later, Limit::Most(600.0)),
    ])
}

/// What the library reads of a token of the earlier system: each member that is judged, and none allocated twice.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "it is read, and that is what takes its time")]
struct Earlier {
    sub: String,
    exp: u32,
    iat: u32,
    nbf: u32,
    iss: String,
    aud: String,
    domain: String,
    role: String,
}

/// Tokens of the earlier system, beside their bare MAC (its key schedule done once) and the library's decode.
fn earlier(turns: &Turns) -> Vec<Figure> {
    let secret = b"a secret of the earlier system, long enough";
    let (issuer, audience) = ("https://old.example.com", "chatbot");
    let tokens = EarlierTokens::new(secret, Timestamp::MAX).unwrap();
    let tokens = tokens.named(Some(issuer.to_owned()), Some(audience.to_owned()));
    let tokens = tokens.beside(vec!["role".to_owned()]).unwrap();
    let now = NOW.millis() / 1000;
    let keyed = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    let texts: Vec<_> = (0..SAMPLE)
        .map(|number| {
            let head = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
            let claims = format!(
                r#"{{"sub":"alice{number}@example.com","iss":"{issuer}","aud":"{audience}","exp":{},"iat":{now},"nbf":{now},"domain":"example.com","role":"member"}}"#,
                now + 1800
            );
            let message = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
            let mut mac = keyed.clone();
            mac.update(message.as_bytes());
            format!("{message}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
        })
        .collect();
    let messages: Vec<_> = texts.iter().map(|text| text.rsplit_once('.').unwrap().0.as_bytes()).collect();
    let theirs = DecodingKey::from_secret(secret);
    let mut wanted = Validation::new(jsonwebtoken::Algorithm::HS256);
    wanted.set_audience(&[audience]);
    wanted.set_issuer(&[issuer]);
    wanted.validate_exp = false;
    let verify = || {
        each(SAMPLE * 8, || {
            for _ in 0..8 {
                texts.iter().for_each(|text| assert!(black_box(tokens.verify(text.as_bytes(), NOW)).is_ok()));
            }
        })
    };
    let mac = || {
        each(SAMPLE * 8, || {
            for _ in 0..8 {
                messages.iter().for_each(|message| {
                    let mut mac = keyed.clone();
                    mac.update(message);
                    black_box(mac.finalize());
                });
            }
        })
    };
    let decode = || {
        each(SAMPLE, || {
            texts.iter().for_each(|text| {
                black_box(jsonwebtoken::decode::<Earlier>(text, &theirs, &wanted).unwrap());
            });
        })
    };
    let [mut verified, mut library] = [(); 2].map(|()| Rounds::default());
    turns.run("HS256", |floor_first| {
        let (ours, floor) = both(verify, mac, floor_first);
        verified.note(ours, floor);
        let (ours, floor) = both(verify, decode, floor_first);
        library.note(ours, floor);
    });
    turns.tell(vec![
        Figure::of("a token of the earlier system, HS256: raw MAC", &verified, Limit::Times(3.0)),
        Figure::of("the same, HS256: the library's decode", &library, Limit::Times(1.0 / 3.0)),
    ])
}

/// A store with one signing key.
struct OneKey(SigningKeyRecord);

#[async_trait::async_trait]
impl port::SigningKeys for OneKey {
    async fn list(&self) -> Answer<Vec<SigningKeyRecord>> {
        Ok(vec![self.0.clone()])
    }
    async fn add(
        &self,
        _: &Granted<RotateSigningKey>,
        _: SigningKeyRecord,
        _: Timestamp,
    ) -> Answer<Change<Seq>> {
        unavailable()
    }
    async fn purge(&self, _: Timestamp) -> Answer<()> {
        unavailable()
    }
}

/// How many tokens one measurement takes.
const SAMPLE: usize = 32;

/// The library's key that a key of ours wraps, for the floor.
enum Raw {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl Raw {
    fn of(key: &SigningKey) -> Self {
        let der = key.to_pkcs8().unwrap();
        match key.public().algorithm() {
            Algorithm::EdDsa => Self::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).unwrap()),
            Algorithm::Es256 => {
                Self::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap())
            }
            Algorithm::Rs256 => Self::Rsa(rsa::KeyPair::from_pkcs8(&der).unwrap()),
        }
    }

    fn public(&self) -> ParsedPublicKey {
        match self {
            Self::Ed(pair) => ParsedPublicKey::new(&ED25519, pair.public_key()),
            Self::Ec(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()),
            Self::Rsa(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()),
        }
        .unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed(pair) => pair.try_sign(message).unwrap().as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

fn tokens(turns: &Turns, algorithm: Algorithm) -> Vec<Figure> {
    let key = SigningKey::generate(algorithm, &OsEntropy).unwrap();
    let (raw, issuer) = (Raw::of(&key), Issuer::parse("https://chat.example.com").unwrap());
    let public = raw.public();
    let keys = [VerifyingKey { key: Arc::clone(key.public()), ends_at: None }];
    let verifier = Verifier { issuer: issuer.clone(), audience: Service::Chatbot };
    let claims: Vec<_> = (0..SAMPLE).map(claims).collect();
    let texts: Vec<_> =
        claims.iter().map(|claims| issuer.issue(&key, claims).unwrap().expose().to_owned()).collect();
    let parts: Vec<_> = texts
        .iter()
        .map(|text| {
            let (message, signature) = text.rsplit_once('.').unwrap();
            (message.as_bytes(), BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap())
        })
        .collect();
    let jwk: Jwk = serde_json::from_str(&key.public().to_jwk()).unwrap();
    let theirs = DecodingKey::from_jwk(&jwk).unwrap();
    let mut wanted = Validation::new(algorithm.name().parse().unwrap());
    wanted.set_audience(&["chatbot"]);
    wanted.set_issuer(&["https://chat.example.com"]);
    wanted.validate_exp = false;
    let verify = || {
        each(SAMPLE, || {
            texts
                .iter()
                .for_each(|text| assert!(black_box(verifier.verify(text.as_bytes(), &keys, NOW)).is_ok()));
        })
    };
    let check = || {
        each(SAMPLE, || {
            parts.iter().for_each(|(message, signature)| public.verify_sig(message, signature).unwrap());
        })
    };
    let decode = || {
        each(SAMPLE, || {
            texts.iter().for_each(|text| {
                black_box(jsonwebtoken::decode::<serde_json::Value>(text, &theirs, &wanted).unwrap());
            });
        })
    };
    // What is made is dropped, and wiped, once the time was taken.
    let issue = || {
        let mut made = Vec::with_capacity(SAMPLE);
        each(SAMPLE, || made.extend(claims.iter().map(|claims| issuer.issue(&key, claims).unwrap())))
    };
    let sign = || {
        let mut made = Vec::with_capacity(SAMPLE);
        each(SAMPLE, || made.extend(parts.iter().map(|(message, _)| raw.sign(message))))
    };
    let [mut verified, mut library, mut signed] = [(); 3].map(|()| Rounds::default());
    turns.run(algorithm.name(), |floor_first| {
        let (ours, floor) = both(verify, check, floor_first);
        verified.note(ours, floor);
        let (ours, floor) = both(verify, decode, floor_first);
        library.note(ours, floor);
        let (ours, floor) = both(issue, sign, floor_first);
        signed.note(ours, floor);
    });
    // What is issued by default is held to a limit.
    let limit = |most| if algorithm == Algorithm::EdDsa { Limit::Times(most) } else { Limit::None };
    turns.tell(vec![
        Figure::of(format!("first sight of a token, {algorithm}: raw check"), &verified, limit(1.08)),
        Figure::of(format!("the same, {algorithm}: the library's decode"), &library, Limit::None),
        Figure::of(format!("issuing a token, {algorithm}: raw signature"), &signed, limit(1.1)),
    ])
}
