//! The token endpoint: what is sent there, and which answers are taken.

use crate::server::{JSON, REDIRECT, Reply, Server, at, form, header, http, json_of, owned, unusable};
use auth_core::{
    port::{CalendarProvider, ProviderError, TokenAnswer},
    secret::PlainToken,
};
use data_encoding::BASE64;
use std::time::Duration;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const GOOD: &str = r#""access_token":"access","token_type":"Bearer","expires_in":3599"#;

fn token(text: &str) -> PlainToken {
    PlainToken::new(text.to_owned())
}

async fn exchange(provider: &dyn CalendarProvider) -> Result<TokenAnswer, ProviderError> {
    provider.exchange(&token("4/co&de"), &token(VERIFIER)).await
}

/// What comes of an exchange with a server that replies so.
async fn replied(reply: Reply) -> Result<TokenAnswer, ProviderError> {
    let server = Server::always(reply).await;
    let result = exchange(at("google", &server).as_ref()).await;
    assert_eq!(server.asked().len(), 1, "nothing is asked twice");
    result
}

#[tokio::test]
async fn a_code_is_exchanged_by_its_verifier_as_the_client() {
    let body = r#"{"access_token":"ya29.access","token_type":"bearer","expires_in":3599,"refresh_token":"1//refresh",
        "scope":"openid https://www.googleapis.com/auth/calendar.readonly","id_token":"a.b.c","refresh_token_expires_in":604799,"more":[{}]}"#;
    let server = Server::always(json_of("200 OK", body)).await;
    let answer = exchange(at("google", &server).as_ref()).await.unwrap();
    assert_eq!(answer.access.expose(), "ya29.access");
    assert_eq!(answer.refresh.unwrap().expose(), "1//refresh");
    assert_eq!(answer.id_token.unwrap().expose(), "a.b.c");
    assert_eq!(answer.expires_in, Duration::from_secs(3599));
    assert_eq!(
        answer.scopes.unwrap().to_string(),
        "https://www.googleapis.com/auth/calendar.readonly openid"
    );

    let request = server.one();
    assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
    let basic = BASE64.encode(b"client%3Aid:se%2Bcret%2Fof%3Aclient");
    assert_eq!(header(&request, "authorization"), Some(format!("Basic {basic}")));
    assert_eq!(header(&request, "accept").as_deref(), Some("application/json"));
    assert_eq!(header(&request, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    for never in ["accept-encoding", "cookie", "referer"] {
        assert_eq!(header(&request, never), None, "{never}");
    }
    let sent = [
        ("grant_type", "authorization_code"),
        ("code", "4/co&de"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT),
    ];
    assert_eq!(form(&request), owned(&sent));
}

#[tokio::test]
async fn a_refresh_asks_for_another_access_token_and_may_get_no_other_refresh_token() {
    let server = Server::always(json_of("200 OK", &format!("{{{GOOD}}}"))).await;
    let answer = at("microsoft", &server).refresh(&token("M.refresh&")).await.unwrap();
    assert!(answer.refresh.is_none() && answer.id_token.is_none() && answer.scopes.is_none());
    let request = server.one();
    assert!(request.starts_with("POST /organizations/oauth2/v2.0/token HTTP/1.1\r\n"), "{request}");
    assert_eq!(form(&request), owned(&[("grant_type", "refresh_token"), ("refresh_token", "M.refresh&")]));
    assert!(header(&request, "authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn scopes_of_microsoft_have_the_names_that_were_asked_for() {
    let body = format!(
        r#"{{{GOOD},"scope":"Calendars.Read openid HTTPS://graph.microsoft.com/user.read Mail.Read"}}"#
    );
    let server = Server::always(json_of("200 OK", &body)).await;
    let microsoft = at("microsoft", &server);
    let scopes = exchange(microsoft.as_ref()).await.unwrap().scopes.unwrap();
    let facts = microsoft.facts();
    assert!(facts.needed.iter().all(|needed| scopes.contains(needed)), "{scopes}");
    let strange = |scope: &&str| ![&facts.needed, &facts.tolerated].iter().any(|known| known.contains(scope));
    assert_eq!(scopes.iter().filter(strange).collect::<Vec<_>>(), ["Mail.Read"]);
}

#[tokio::test]
async fn an_answer_within_its_limits_is_taken() {
    for (access, expires_in, id_token) in [(1, 1, 1), (8192, 90 * 86400, 16 * 1024)] {
        let body = format!(
            r#"{{"access_token":"{}","token_type":"BEARER","expires_in":{expires_in},"refresh_token":null,"id_token":"{}","scope":""}}"#,
            "a".repeat(access),
            "b".repeat(id_token),
        );
        let answer = replied(json_of("200 OK", &body)).await.unwrap();
        assert_eq!(answer.access.expose().len(), access);
        assert_eq!(answer.scopes.unwrap().iter().count(), 0, "nothing was granted");
    }
}

#[tokio::test]
async fn an_answer_of_another_form_is_not_taken() {
    let long = |name: &str, length: usize| format!(r#"{{{GOOD},"{name}":"{}"}}"#, "a".repeat(length));
    let with = |more: &str| format!("{{{GOOD},{more}}}");
    let access = |json: &str| format!(r#"{{"access_token":{json},"token_type":"bearer","expires_in":1}}"#);
    let kind = |json: &str| format!(r#"{{"access_token":"canary","token_type":{json},"expires_in":1}}"#);
    let expires =
        |json: &str| format!(r#"{{"access_token":"canary","token_type":"bearer","expires_in":{json}}}"#);
    let bodies = [
        String::new(),
        "canary".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"error":"invalid_grant","error_description":"canary"}"#.to_owned(),
        format!("{{{GOOD}}}canary"),
        format!("{{{GOOD}}}{{{GOOD}}}"),
        format!("{{{GOOD}"),
        // Members that are there twice, in whatever spelling.
        with(r#""access_token":"canary""#),
        with(r#""access\u005ftoken":"canary""#),
        with(r#""token_type":"bearer""#),
        with(r#""expires_in":3599"#),
        with(r#""refresh_token":"a","refresh_token":"canary""#),
        with(r#""refresh_token":null,"refresh_token":"canary""#),
        with(r#""scope":"openid","scope":"canary""#),
        with(r#""id_token":"a.b.c","id_token":"canary""#),
        // Members that are missing.
        r#"{"token_type":"bearer","expires_in":1}"#.to_owned(),
        r#"{"access_token":"canary","expires_in":1}"#.to_owned(),
        r#"{"access_token":"canary","token_type":"bearer"}"#.to_owned(),
        access("null"),
        access("7"),
        access(r#""""#),
        access(r#""can ary""#),
        access(r#""canary\n""#),
        access(r#""canary\u0000""#),
        access(r#""canarý""#),
        access(&format!("\"{}\"", "a".repeat(8193))),
        kind("null"),
        kind(r#""mac""#),
        kind(r#""DPoP""#),
        kind(r#""bearer ""#),
        expires("null"),
        expires("0"),
        expires("-1"),
        expires("3600.5"),
        expires("\"3600\""),
        expires("7776001"),
        expires("18446744073709551615"),
        expires("18446744073709551616"),
        expires("1e300"),
        long("refresh_token", 0),
        long("refresh_token", 8193),
        with(r#""refresh_token":"can\tary""#),
        long("id_token", 0),
        long("id_token", 16 * 1024 + 1),
        with(r#""id_token":["canary"]"#),
        with(r#""scope":["canary"]"#),
        with(r#""scope":"can\"ary""#),
        long("scope", 4097),
    ];
    for body in bodies {
        let start: String = body.chars().take(100).collect();
        unusable(replied(json_of("200 OK", &body)).await, &start);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_that_it_is_json_or_is_encoded_is_not_taken() {
    let good = format!("{{{GOOD}}}");
    for lines in [
        &[][..],
        &["Content-Type: text/html"],
        &["Content-Type: application/jsonp"],
        &["Content-Type: text/plain; a=application/json"],
        &["Content-Type: application/problem+json"],
        &[JSON, "Content-Type: text/html"],
        &[JSON, "Content-Encoding: gzip"],
        &[JSON, "Content-Encoding: identity, gzip"],
        &[JSON, "Content-Encoding: identity", "Content-Encoding: br"],
    ] {
        unusable(replied(http("200 OK", lines, &good)).await, &format!("{lines:?}"));
    }
    for lines in
        [&["Content-Type: APPLICATION/JSON;charset=UTF-8"][..], &[JSON, "Content-Encoding: identity"]]
    {
        assert!(replied(http("200 OK", lines, &good)).await.is_ok(), "{lines:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::always(json_of("200 OK", &format!("{{{GOOD}}}"))).await;
    for status in
        ["300 Canary", "301 Canary", "302 Found", "303 See Other", "304 Canary", "307 Canary", "308 Canary"]
    {
        let location = format!("Location: {}/token?canary", elsewhere.origin);
        let why = unusable(replied(http(status, &[JSON, &location], &format!("{{{GOOD}}}"))).await, status);
        assert!(why.contains("redirect") && why.contains(status.get(..3).unwrap()), "{status}: {why}");
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn what_is_too_slow_too_long_or_cut_is_not_waited_for() {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: {length}\r\n\r\n");
    let open_end = format!("HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n{{{GOOD}");
    for (what, reply, why) in [
        ("nothing", Reply::Stalled(String::new()), "too long"),
        ("half a head", Reply::Stalled("HTTP/1.1 200 OK\r\nX: canary".to_owned()), "too long"),
        ("half a body", Reply::Stalled(format!("{}{{", head(1000))), "too long"),
        ("a drip", Reply::Drip(open_end.clone()), "too long"),
        ("an endless body", Reply::Endless(open_end), "more than 262144 bytes"),
        ("a long body", Reply::Stalled(head(256 * 1024 + 1)), "more than 262144 bytes"),
        ("an endless head", Reply::Endless("HTTP/1.1 200 OK\r\nX: ".to_owned()), "broke"),
        ("a cut body", Reply::Whole(format!("{}{{{GOOD}", head(1000))), "broke"),
        ("a cut head", Reply::Whole("HTTP/1.1 200 OK\r\nContent-".to_owned()), "broke"),
        ("no HTTP", Reply::Whole("canary\r\n\r\n".to_owned()), "broke"),
        ("another protocol", Reply::Whole("HTTP/1.1 101 Canary\r\nUpgrade: canary\r\n\r\n".to_owned()), ""),
        ("an information alone", Reply::Whole("HTTP/1.1 103 Early Hints\r\n\r\n".to_owned()), "broke"),
        (
            "two lengths",
            Reply::Whole(format!(
                "HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"
            )),
            "",
        ),
    ] {
        let told = unusable(replied(reply).await, what);
        assert!(told.contains(why), "{what}: {told}");
    }
}

/// A code is good once: whoever finds all places taken waits for one.
#[tokio::test]
async fn many_exchanges_at_once_wait_for_their_places_and_refreshes_do_not() {
    let server = Server::always(json_of("200 OK", &format!("{{{GOOD}}}"))).await;
    let provider = at("google", &server);
    let exchanges = (0..100).map(|_| exchange(provider.as_ref()));
    let answers = futures_util::future::join_all(exchanges).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(server.asked().len(), 100);
    let refresh = token("refresh");
    let refreshes = (0..100).map(|_| provider.refresh(&refresh));
    let answers = futures_util::future::join_all(refreshes).await;
    let busy = answers.iter().filter(|answer| matches!(answer, Err(ProviderError::Busy))).count();
    assert_eq!((busy, server.asked().len()), (100 - 64, 100 + 64));
}

#[tokio::test]
async fn nobody_who_listens_is_unusable() {
    let gone = Server::nobody().await;
    let why = unusable(exchange(at("google", &gone).as_ref()).await, "nobody");
    assert_eq!(why, "its token endpoint: no connection to it could be made");
}

#[tokio::test]
async fn an_error_is_told_by_the_words_of_the_standard_alone() {
    let error =
        |word: &str| format!(r#"{{"error":"{word}","error_description":"canary","error_uri":"canary"}}"#);
    let reply = |status: &str, word: &str| json_of(status, &error(word));
    for (reply, expected) in [
        (reply("400 Bad Request", "invalid_grant"), ProviderError::InvalidGrant),
        (reply("400 Bad Request", "invalid_scope"), ProviderError::Refused("invalid_scope".to_owned())),
        (reply("401 Unauthorized", "invalid_client"), ProviderError::Refused("invalid_client".to_owned())),
        (reply("403 Forbidden", "invalid_grant"), ProviderError::Refused("invalid_grant".to_owned())),
    ] {
        assert_eq!(replied(reply).await.unwrap_err(), expected);
    }
    for (what, reply) in [
        ("a word of its own", reply("400 Bad Request", "canary")),
        ("another type", http("400 Bad Request", &["Content-Type: text/html"], &error("invalid_grant"))),
        ("an error twice", json_of("400 Bad Request", r#"{"error":"canary","error":"invalid_grant"}"#)),
        ("no error", json_of("400 Bad Request", "{}")),
        ("nothing", json_of("400 Bad Request", "")),
        ("its own failure", reply("500 Internal Server Error", "invalid_grant")),
        ("too busy", reply("503 Service Unavailable", "temporarily_unavailable")),
        ("another success", json_of("201 Created", &format!("{{{GOOD}}}"))),
        ("nothing to say", http("204 No Content", &[JSON], "")),
        ("no status", reply("600 Canary", "invalid_grant")),
    ] {
        unusable(replied(reply).await, what);
    }
}
