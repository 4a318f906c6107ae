//! Certificates of a test's own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

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
}
