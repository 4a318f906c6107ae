//! The documents of discovery (OpenID Connect Discovery 1.0 §3).

use crate::{
    answer::{Answer, json},
    desk::Desk,
    like::{Like, microsoft_issuer},
    misbehaviour::Misbehaviour,
    seen::Seen,
};
use hyper::StatusCode;
use serde_json::{Value, json};

/// `GET` of a document; Google's has no tenant.
pub(crate) fn discovery(desk: &Desk, like: Like, tenant: &str) -> Answer {
    desk.note(Seen::Discovery);
    let mut document = match like {
        Like::Google => google(&desk.origin),
        Like::Microsoft => microsoft(&desk.origin, tenant),
    };
    let scopes: Vec<&str> = like.scopes().to_vec();
    let mut put = |name: &str, value: Value| {
        if let Some(members) = document.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    put("scopes_supported", json!(scopes));
    put("response_types_supported", json!(["code"]));
    put("response_modes_supported", json!(["query"]));
    put("grant_types_supported", json!(["authorization_code", "refresh_token"]));
    put("id_token_signing_alg_values_supported", json!(["RS256"]));
    put("token_endpoint_auth_methods_supported", json!(["client_secret_post", "client_secret_basic"]));
    put("code_challenge_methods_supported", json!(["S256"]));
    match desk.how() {
        Some(Misbehaviour::DiscoveryOtherIssuer) => put("issuer", json!("https://issuer.invalid")),
        Some(Misbehaviour::DiscoveryInside) => {
            put("token_endpoint", json!("http://169.254.169.254/token"));
            put("revocation_endpoint", json!("http://169.254.169.254/revoke"));
            put("jwks_uri", json!("http://127.0.0.1:1/keys"));
        }
        _ => {}
    }
    json(StatusCode::OK, &document)
}

fn google(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/o/oauth2/v2/auth"),
        "token_endpoint": format!("{origin}/token"),
        "revocation_endpoint": format!("{origin}/revoke"),
        "jwks_uri": format!("{origin}/oauth2/v3/certs"),
        "subject_types_supported": ["public"],
        "authorization_response_iss_parameter_supported": true,
        "claims_supported": ["aud", "azp", "email", "email_verified", "exp", "iat", "iss", "nonce", "sub"],
    })
}

fn microsoft(origin: &str, tenant: &str) -> Value {
    json!({
        "issuer": microsoft_issuer(origin, tenant),
        "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("{origin}/{tenant}/discovery/v2.0/keys"),
        "subject_types_supported": ["pairwise"],
        "claims_supported": [
            "aud", "email", "exp", "iat", "iss", "nbf", "nonce", "oid", "preferred_username", "sub", "tid", "ver",
        ],
    })
}
