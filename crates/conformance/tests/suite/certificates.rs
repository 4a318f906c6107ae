//! Certificates of a test's own, and a server that shows one to a stranger.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_web::outgoing::{Endpoint, Patience, Question, Reach, Stranger};
use conformance::servers::{Redis, free_port, unless_missing};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio::net::TcpStream;

/// A server's certificate for `localhost`, and two authorities, of which one issued it.
pub(super) struct Certificates {
    pub(super) key: String,
    pub(super) certificate: String,
    pub(super) issuer: String,
    pub(super) other: String,
}

impl Certificates {
    pub(super) fn draw() -> Self {
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let (issuer, other) = (authority("ours"), authority("other"));
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        Self { key: key.serialize_pem(), certificate, issuer: issuer.pem(), other: other.pem() }
    }

    /// A Redis that shows the certificate to whoever comes to this port.
    pub(super) async fn shown_by_redis(&self, port: u16) -> Option<Redis> {
        let port = port.to_string();
        let options = [
            ["--tls-port", &port],
            ["--tls-cert-file", "server.crt"],
            ["--tls-key-file", "server.key"],
            ["--tls-ca-cert-file", "ca.crt"],
            ["--tls-auth-clients", "no"],
        ];
        let files = [("server.crt", &self.certificate), ("server.key", &self.key), ("ca.crt", &self.issuer)];
        let files = files.map(|(name, text)| (name, text.as_str()));
        unless_missing("redis", Redis::start_with(&options.concat(), &files).await)
    }
}

/// Whatever speaks TLS will do for a server: it hears no word of HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_of_an_authority_that_nobody_knows_is_told_nothing() {
    let (drawn, port) = (Certificates::draw(), free_port());
    let Some(_server) = drawn.shown_by_redis(port).await else { return };
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok(), "somebody is there");
    let origin = format!("https://localhost:{port}");
    let stranger = Stranger::new(Reach::loopback(&origin).unwrap(), Patience::default()).unwrap();
    let endpoint = Endpoint::loopback(&format!("{origin}/token")).unwrap();
    let (question, form) = (Question::default(), b"client_secret=canary".to_vec());
    let asked = stranger.get(&endpoint, &question).await.unwrap_err();
    let sent = stranger.post_form(&endpoint, form, &question).await.unwrap_err();
    // To somebody who is believed there is a connection, which then breaks off.
    assert_eq!([asked, sent], ["no connection to it could be made"; 2]);
}
