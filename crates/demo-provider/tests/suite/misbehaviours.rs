//! Each misbehaviour shows in what is answered, and nothing of it is left once it is switched off.

use crate::visitor::{
    ALICE, Like, Login, Reply, World, brought, events_path, form_head, keys_path, parsed, read, token_path,
};
use data_encoding::BASE64URL_NOPAD;
use demo_provider::{DIRECTORY, Misbehaviour, Part, Seen};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

const ELSEWHERE: &str = "http://localhost:7/elsewhere";

#[tokio::test]
async fn each_of_them_shows() {
    for like in [Like::Google, Like::Microsoft] {
        let world = World::start().await;
        world.provider.redirect_to(ELSEWHERE);
        for how in Misbehaviour::ALL.iter().copied() {
            match how.part() {
                Part::IdToken => shows_in_id_token(&world, like, how).await,
                Part::TokenAnswer => shows_in_answer(&world, like, how).await,
                Part::Refresh => shows_in_refresh(&world, like, how).await,
                Part::Callback => shows_in_callback(&world, like, how),
                Part::KeysAndDiscovery => shows_in_documents(&world, like, how).await,
                Part::Calendar => shows_in_events(&world, like, how).await,
            }
            world.provider.misbehave(None);
            let tokens = world.tokens_of_alice(like).await;
            assert!(world.verified(like, &tokens.member("id_token")).await.is_ok(), "{}", how.name());
        }
        let violated = world.provider.seen().into_iter().find(|seen| matches!(seen, Seen::Violation(_)));
        assert_eq!(
            violated,
            Some(Seen::Violation("token: another refresh token had replaced it; the grant ended".to_owned()))
        );
    }
}

async fn shows_in_id_token(world: &World, like: Like, how: Misbehaviour) {
    let name = how.name();
    let login = world.login(like);
    let code = &world.consent(&login)["code"];
    world.provider.misbehave(Some(how));
    let reply = world.exchange(&login, code).await;
    assert_eq!(reply.status, 200, "{name}");
    let (token, now) = (reply.member("id_token"), 1_796_113_800);
    let verified = world.verified(like, &token).await;
    let claims = verified.clone().unwrap_or_default();
    let shows = match how {
        Misbehaviour::WrongNonce => claims["nonce"] == "another",
        Misbehaviour::NoNonce => verified.is_ok() && claims.get("nonce").is_none(),
        Misbehaviour::WrongAudience => claims["aud"] == "another-client",
        Misbehaviour::SeveralAudiences => {
            claims["aud"] == json!(["demo-client", "another-client"]) && claims["azp"] == "another-client"
        }
        Misbehaviour::WrongAuthorizedParty => {
            claims["azp"] == "another-client" && claims["aud"] == "demo-client"
        }
        Misbehaviour::WrongIssuer => claims["iss"] == "https://issuer.invalid",
        Misbehaviour::WrongTenant => {
            let issuer =
                format!("{}/{}/v2.0", world.provider.origin(), claims["tid"].as_str().unwrap_or_default());
            let is_wrong = claims["iss"] == issuer && claims["tid"] != DIRECTORY;
            verified.is_ok() && is_wrong == (like == Like::Microsoft)
        }
        Misbehaviour::Expired => claims["exp"] == now - 3600,
        Misbehaviour::IssuedInTheFuture => claims["iat"] == now + 3600 && claims["exp"] == now + 7200,
        Misbehaviour::NoExpiry => verified.is_ok() && claims.get("exp").is_none(),
        Misbehaviour::AlgNone => head(&token)["alg"] == "none" && token.ends_with('.'),
        Misbehaviour::AlgHs256Secret => is_hs256(&token, world.config.client_secret.as_bytes()),
        Misbehaviour::AlgHs256PublicKey => {
            let keys = world.get(keys_path(like)).await.json();
            let modulus = BASE64URL_NOPAD.decode(keys["keys"][0]["n"].as_str().unwrap().as_bytes()).unwrap();
            is_hs256(&token, &modulus)
        }
        Misbehaviour::ForeignKey => verified == Err("InvalidSignature".to_owned()),
        Misbehaviour::UnknownKey => verified == Err("unknown key".to_owned()),
        Misbehaviour::OtherSubject => {
            let again = world.tokens_of_alice(like).await.member("refresh_token");
            let refreshed = world.refresh(like, &again).await.member("id_token");
            let refreshed = world.verified(like, &refreshed).await.unwrap();
            verified.is_ok() && refreshed["sub"].is_string() && refreshed["sub"] != claims["sub"]
        }
        Misbehaviour::NoIdToken => reply.json().get("id_token").is_none(),
        Misbehaviour::DuplicateClaims => {
            payload(&token).matches("\"nonce\":").count() == 2 && verified.is_ok()
        }
        Misbehaviour::OversizedIdToken => verified.is_ok() && token.len() > 64 * 1024,
        _ => false,
    };
    assert!(shows, "{name}: {verified:?}");
}

async fn shows_in_answer(world: &World, like: Like, how: Misbehaviour) {
    let name = how.name();
    for is_refresh in [false, true] {
        let fields = asking(world, like, is_refresh).await;
        world.provider.misbehave(Some(how));
        let mut stream = begun(world, like, &fields).await;
        let shows = match how {
            Misbehaviour::Silence => {
                while !matches!(
                    (world.provider.seen().pop(), is_refresh),
                    (Some(Seen::Exchange { .. }), false) | (Some(Seen::Refresh { .. }), true)
                ) {
                    tokio::task::yield_now().await;
                }
                timeout(Duration::from_millis(50), stream.read_u8()).await.is_err()
            }
            Misbehaviour::SlowDrip => {
                let answer = until(&mut stream, |bytes| bytes.ends_with(b"\r\n\r\n1\r\n{\r\n")).await;
                answer.status == 200 && answer.header("content-length").is_empty()
            }
            Misbehaviour::EndlessBody => {
                until(&mut stream, |bytes| bytes.len() > 2 << 20).await.header("content-length").is_empty()
            }
            _ => answer_shows(how, like, &read(stream).await),
        };
        assert!(shows, "{name}, refresh {is_refresh}");
        let unused = [
            Misbehaviour::CodeOfAnotherClient,
            Misbehaviour::VerifierMismatch,
            Misbehaviour::Redirect302,
            Misbehaviour::Redirect307,
            Misbehaviour::ServerError500,
            Misbehaviour::Unavailable503,
            Misbehaviour::Silence,
        ];
        let granted = !unused.contains(&how);
        let seen = if is_refresh { Seen::Refresh { granted } } else { Seen::Exchange { granted } };
        assert_eq!(world.provider.seen().pop(), Some(seen), "{name}");
        world.provider.misbehave(None);
        if !granted {
            assert_eq!(read(begun(world, like, &fields).await).await.status, 200, "{name}");
        }
    }
}

fn answer_shows(how: Misbehaviour, like: Like, reply: &Reply) -> bool {
    let members: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let scopes = || members["scope"].as_str().unwrap_or_default().split(' ').count();
    let asked = if like == Like::Google { 3 } else { 4 };
    let is_invalid = || reply.refusal() == (400, "invalid_grant".to_owned());
    match how {
        Misbehaviour::CodeOfAnotherClient | Misbehaviour::VerifierMismatch => is_invalid(),
        Misbehaviour::MissingScope => scopes() == asked - 1 && !reply.text().contains("alendar"),
        Misbehaviour::WiderScope => scopes() == asked + 1,
        Misbehaviour::NoScope => members.get("scope").is_none() && members["access_token"].is_string(),
        Misbehaviour::NoRefreshToken => {
            members.get("refresh_token").is_none() && members["access_token"].is_string()
        }
        Misbehaviour::NoExpiresIn => {
            members.get("expires_in").is_none() && members["access_token"].is_string()
        }
        Misbehaviour::NegativeExpiresIn => members["expires_in"] == -3600,
        Misbehaviour::HugeExpiresIn => members["expires_in"] == i64::MAX,
        Misbehaviour::WrongTokenType => members["token_type"] == "mac",
        Misbehaviour::WrongContentType => {
            reply.header("content-type") == "text/html" && members["access_token"].is_string()
        }
        Misbehaviour::NotJson => reply.header("content-type").contains("json") && members.is_null(),
        Misbehaviour::DuplicateMembers => reply.text().matches("\"access_token\":").count() == 2,
        Misbehaviour::EmptyAccessToken => members["access_token"] == "",
        Misbehaviour::ControlCharacters => members["access_token"].as_str().unwrap().contains('\n'),
        Misbehaviour::Redirect302 => (reply.status, reply.header("location")) == (302, ELSEWHERE),
        Misbehaviour::Redirect307 => (reply.status, reply.header("location")) == (307, ELSEWHERE),
        Misbehaviour::ServerError500 => reply.status == 500,
        Misbehaviour::Unavailable503 => (reply.status, reply.header("retry-after")) == (503, "120"),
        Misbehaviour::GzipBomb => {
            let unpacked = reply.body.last_chunk().map(|size| u32::from_le_bytes(*size));
            reply.header("content-encoding") == "gzip"
                && reply.body.len() < 140_000
                && unpacked > Some(100_000_000)
        }
        Misbehaviour::CutConnection => {
            let announced: usize = reply.header("content-length").parse().unwrap();
            announced / 2 == reply.body.len()
        }
        _ => false,
    }
}

async fn shows_in_refresh(world: &World, like: Like, how: Misbehaviour) {
    let first = world.tokens_of_alice(like).await.member("refresh_token");
    world.provider.misbehave(Some(how));
    let reply = world.refresh(like, &first).await;
    let members = reply.json();
    let shows = match how {
        Misbehaviour::InvalidGrant => {
            world.provider.misbehave(None);
            reply.member("error") == "invalid_grant" && world.refresh(like, &first).await.status == 200
        }
        Misbehaviour::Rotation => {
            members["refresh_token"].is_string() && world.refresh(like, &first).await.status == 400
        }
        Misbehaviour::RefreshOmitsRefreshToken => {
            let exchanged = world.tokens_of_alice(like).await.json();
            members.get("refresh_token").is_none() && exchanged["refresh_token"].is_string()
        }
        Misbehaviour::RefreshOtherScope => {
            let scope = members["scope"].as_str().unwrap();
            !scope.contains("alendar") && (scope.contains("drive") || scope.contains("Mail"))
        }
        _ => false,
    };
    assert!(shows, "{}: {members}", how.name());
}

fn shows_in_callback(world: &World, like: Like, how: Misbehaviour) {
    world.provider.misbehave(Some(how));
    let login = world.login(like);
    let brought = brought(&world.provider.consent(&world.url(&login), ALICE).unwrap());
    let shows = match how {
        Misbehaviour::WrongIssParameter => brought["iss"] == "https://issuer.invalid",
        Misbehaviour::NoIssParameter => !brought.contains_key("iss"),
        Misbehaviour::CodeAndError => {
            brought.contains_key("code")
                && brought["error"] == "server_error"
                && brought["error_description"].contains("<script>")
        }
        _ => false,
    };
    assert!(shows && brought["state"] == login.parameters["state"], "{}: {brought:?}", how.name());
}

async fn shows_in_documents(world: &World, like: Like, how: Misbehaviour) {
    world.provider.misbehave(Some(how));
    let discovery = match like {
        Like::Google => "/.well-known/openid-configuration",
        Like::Microsoft => "/common/v2.0/.well-known/openid-configuration",
    };
    let shows = match how {
        Misbehaviour::KeysRedirect => {
            let reply = world.get(keys_path(like)).await;
            (reply.status, reply.header("location")) == (302, ELSEWHERE)
        }
        Misbehaviour::KeysEndless => {
            let mut stream = world.send("GET", keys_path(like), &[], "").await;
            until(&mut stream, |bytes| bytes.len() > 2 << 20).await.status == 200
        }
        Misbehaviour::KeysEmpty => world.get(keys_path(like)).await.json() == json!({ "keys": [] }),
        Misbehaviour::KeysPrivate => world.get(keys_path(like)).await.json()["keys"][0]["d"].is_string(),
        Misbehaviour::DiscoveryOtherIssuer => {
            world.get(discovery).await.json()["issuer"] == "https://issuer.invalid"
        }
        Misbehaviour::DiscoveryInside => {
            let document = world.get(discovery).await.json();
            let begins = |name: &str, with: &str| document[name].as_str().unwrap().starts_with(with);
            begins("token_endpoint", "http://169.254.169.254/") && begins("jwks_uri", "http://127.0.0.1:1/")
        }
        Misbehaviour::RevocationFails => {
            world.provider.misbehave(None);
            let token = world.tokens_of_alice(Like::Google).await.member("refresh_token");
            world.provider.misbehave(Some(how));
            let status = world.post("/revoke", &[], &[("token", &token)]).await.status;
            status == 500 && world.refresh(Like::Google, &token).await.status == 200
        }
        _ => false,
    };
    assert!(shows, "{}", how.name());
}

async fn shows_in_events(world: &World, like: Like, how: Misbehaviour) {
    let access = world.tokens_of_alice(like).await.member("access_token");
    world.provider.misbehave(Some(how));
    if how == Misbehaviour::EventsEndless {
        let bearer = format!("Bearer {access}");
        let mut stream = world.send("GET", events_path(like), &[("authorization", &bearer)], "").await;
        assert_eq!(until(&mut stream, |bytes| bytes.len() > 2 << 20).await.status, 200);
        return;
    }
    let reply = world.events(events_path(like), &access).await;
    let shows = match how {
        Misbehaviour::EventsUnauthorized => reply.status == 401,
        Misbehaviour::EventsServerError => reply.status == 500,
        Misbehaviour::EventsRedirect => (reply.status, reply.header("location")) == (302, ELSEWHERE),
        Misbehaviour::EventsNextLinkElsewhere => {
            let next = if like == Like::Google { "nextPageToken" } else { "@odata.nextLink" };
            reply.member(next) == ELSEWHERE
        }
        Misbehaviour::EventsWrongShape => {
            let list = if like == Like::Google { "items" } else { "value" };
            reply.status == 200 && !reply.json()[list].is_array()
        }
        _ => false,
    };
    assert!(shows, "{}: {}", how.name(), reply.text());
}

/// The fields of a form that is well, for tokens of Alice.
async fn asking(world: &World, like: Like, is_refresh: bool) -> Vec<(&'static str, String)> {
    if is_refresh {
        let token = world.tokens_of_alice(like).await.member("refresh_token");
        return vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
    }
    let login: Login = world.login(like);
    let code = world.consent(&login)["code"].clone();
    vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code),
        ("redirect_uri", login.parameters["redirect_uri"].clone()),
        ("code_verifier", login.verifier),
    ]
}

/// Posts it; nothing is read yet.
async fn begun(world: &World, like: Like, fields: &[(&'static str, String)]) -> TcpStream {
    let body = crate::visitor::encoded(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let basic = world.basic();
    world.send("POST", token_path(like), &form_head(&[("authorization", &basic)]), &body).await
}

/// Reads until enough of an answer has come.
async fn until(stream: &mut TcpStream, is_enough: impl Fn(&[u8]) -> bool) -> Reply {
    let mut bytes = Vec::new();
    while !is_enough(&bytes) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "it ended");
    }
    parsed(&bytes)
}

fn part(token: &str, number: usize) -> Vec<u8> {
    BASE64URL_NOPAD.decode(token.split('.').nth(number).unwrap().as_bytes()).unwrap()
}

fn head(token: &str) -> Value {
    serde_json::from_slice(&part(token, 0)).unwrap()
}

fn payload(token: &str) -> String {
    String::from_utf8(part(token, 1)).unwrap()
}

fn is_hs256(token: &str, key: &[u8]) -> bool {
    let key = jsonwebtoken::DecodingKey::from_secret(key);
    let mut how = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    how.required_spec_claims.clear();
    (how.validate_exp, how.validate_aud) = (false, false);
    jsonwebtoken::decode::<Value>(token, &key, &how).is_ok()
}
