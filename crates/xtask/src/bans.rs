//! What must not be built in, and from where nothing is.

use crate::{
    Report,
    deny::{Ban, Deny},
    repository::{Failure, Origin, Package, Repository},
};

/// No package is banned by `deny.toml`, and all but our own are from crates.io.
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let (deny, packages) = (Deny::of(repository)?, repository.packages()?);
    let faults = packages.iter().flat_map(|package| faults(package, &deny.bans.deny)).collect();
    Ok(Report { faults, seen: format!("{} packages", packages.len()) })
}

fn faults(Package { id, name, origin, .. }: &Package, bans: &[Ban]) -> Vec<String> {
    let banned = bans.iter().filter(|ban| ban.package == *name);
    let mut faults: Vec<_> = banned.map(|ban| format!("{id} is banned: {}", ban.reason)).collect();
    if let Origin::Elsewhere(place) = origin {
        faults.push(format!("{id} is from {place}, not from crates.io"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_and_other_sources_are_found() {
        let package = |name: &str, origin| Package {
            id: format!("{name} 1.0.0"),
            name: name.to_owned(),
            licence: None,
            origin,
        };
        let bans = [Ban { package: "native-tls".to_owned(), reason: "rustls is used".to_owned() }];
        let faults = |name, origin| faults(&package(name, origin), &bans);
        assert_eq!(faults("rustls", Origin::CratesIo), [""; 0]);
        assert_eq!(faults("auth-core", Origin::Workspace), [""; 0]);
        assert_eq!(faults("native-tls", Origin::CratesIo), ["native-tls 1.0.0 is banned: rustls is used"]);
        let fork = Origin::Elsewhere("git+https://example.com/fork".to_owned());
        assert_eq!(
            faults("rustls", fork),
            ["rustls 1.0.0 is from git+https://example.com/fork, not from crates.io"]
        );
    }
}
