//! Telling a provider that a connection is over.

use crate::server::{Server, at, discovered, document, form, header, json_of, opened, owned, unusable};
use auth_core::{
    port::{CalendarProvider, ProviderError, Revocation},
    secret::PlainToken,
};

async fn revoke(provider: &dyn CalendarProvider) -> Result<Revocation, ProviderError> {
    provider.revoke(&PlainToken::new("1//re&fresh".to_owned())).await
}

#[tokio::test]
async fn google_is_told_by_the_token_alone() {
    let server = Server::always(json_of("200 OK", "{}")).await;
    assert_eq!(revoke(at("google", &server).as_ref()).await, Ok(Revocation::Revoked));
    let request = server.one();
    assert!(request.starts_with("POST /revoke HTTP/1.1\r\n"), "{request}");
    assert_eq!(
        (form(&request), header(&request, "authorization")),
        (owned(&[("token", "1//re&fresh")]), None)
    );
}

#[tokio::test]
async fn a_token_that_is_none_any_more_is_revoked_and_other_errors_are_errors() {
    for (status, body, expected) in [
        ("400 Bad Request", r#"{"error":"invalid_token"}"#, Ok(Revocation::Revoked)),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, Err(Some("invalid_client"))),
        ("401 Unauthorized", r#"{"error":"invalid_token"}"#, Err(Some("invalid_token"))),
        ("400 Bad Request", r#"{"error":"unsupported_token_type"}"#, Ok(Revocation::Unsupported)),
        ("400 Bad Request", r#"{"error":"canary"}"#, Err(None)),
        ("503 Service Unavailable", r#"{"error":"invalid_token"}"#, Err(None)),
        ("302 Found", "{}", Err(None)),
    ] {
        let server = Server::always(json_of(status, body)).await;
        let revoked = revoke(at("google", &server).as_ref()).await;
        match expected {
            Ok(expected) => assert_eq!(revoked, Ok(expected)),
            Err(Some(word)) => assert_eq!(revoked, Err(ProviderError::Refused(word.to_owned())), "{body}"),
            Err(None) => drop(unusable(revoked, body)),
        }
    }
}

#[tokio::test]
async fn microsoft_has_no_way_to_be_told() {
    let server = Server::always(json_of("200 OK", "{}")).await;
    assert_eq!(revoke(at("microsoft", &server).as_ref()).await, Ok(Revocation::Unsupported));
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn another_is_told_by_its_client_if_its_document_says_where() {
    for told in [true, false] {
        let server = Server::start(move |request| {
            let mut document = document(&format!("http://{}", header(request, "host").unwrap()));
            if !told {
                document.as_object_mut().unwrap().remove("revocation_endpoint");
            }
            json_of("200 OK", &document.to_string())
        })
        .await;
        let revoked = revoke(opened(discovered(&server.origin)).as_ref()).await;
        let asked = server.asked();
        if told {
            assert_eq!((revoked, asked.len()), (Ok(Revocation::Revoked), 2));
            let request = asked.last().unwrap();
            assert!(request.starts_with("POST /realm/revoke HTTP/1.1\r\n"), "{request}");
            assert!(header(request, "authorization").unwrap().starts_with("Basic "), "{request}");
        } else {
            assert_eq!((revoked, asked.len()), (Ok(Revocation::Unsupported), 1));
        }
    }
}
