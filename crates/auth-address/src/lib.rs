//! What addresses of the servers that a store is on have in common: whom TLS trusts, and what may be printed.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{fmt, path::Path, sync::Arc};

/// A client that trusts the authorities of a PEM file, else those of the system, and nobody whose name they do not
/// certify.
///
/// # Errors
/// One line: there is no authority, or the file cannot be read.
pub fn client(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match authorities {
        Some(path) => of_file(path)?,
        None => of_system()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let failed = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        roots.add(one.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() { Err(failed(&"holds no certificate")) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system trusts no authority; name a file by sslrootcert".to_owned());
    }
    Ok(roots)
}

/// A URL as it may be printed: without user, password and parameters. What comes before the last `@` may be part of a
/// password, whatever else it looks like.
pub fn masked(url: &str) -> String {
    let shown = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{}", shown(host)),
        (None, Some((_, host))) => format!("…@{}", shown(host)),
        (_, None) => shown(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_printed() {
        for (url, printed) in [
            ("postgres://auth:hunter2@db/auth?sslrootcert=/ca.pem", "postgres://…@db/auth"),
            ("postgres://auth:hunter2?x@db/auth", "postgres://…@db/auth"),
            ("redis://:hunter2@x@db:1,db:2/main", "redis://…@db:1,db:2/main"),
            ("auth:hunter2@db", "…@db"),
            ("sqlite://data/auth.db", "sqlite://data/auth.db"),
        ] {
            assert_eq!(masked(url), printed);
        }
    }
}
