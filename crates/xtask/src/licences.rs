//! What every package may be used under.

use crate::{
    Report,
    deny::Deny,
    repository::{Failure, Package, Repository},
};
use spdx::{Expression, ParseMode};

/// Every package can be used under licences that `deny.toml` allows.
pub(crate) fn check(repository: &Repository) -> Result<Report, Failure> {
    let (deny, packages) = (Deny::of(repository)?, repository.packages()?);
    let faults = packages.iter().filter_map(|package| fault(package, &deny.licenses.allow)).collect();
    Ok(Report { faults, seen: format!("{} packages", packages.len()) })
}

fn fault(package: &Package, allowed: &[String]) -> Option<String> {
    let id = &package.id;
    let Some(licence) = &package.licence else { return Some(format!("{id} names no licence")) };
    // Lax: older packages write `MIT/Apache-2.0`.
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Err(error) => Some(format!("{id}: {licence} is no SPDX expression: {}", error.reason)),
        Ok(offer) if offer.evaluate(|wanted| allowed.contains(&wanted.to_string())) => None,
        Ok(_) => Some(format!("{id} is under {licence}, which deny.toml does not allow")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Origin;

    fn fault_of(licence: Option<&str>) -> Option<String> {
        let (id, name, licence) = ("one 1.0.0".to_owned(), "one".to_owned(), licence.map(str::to_owned));
        let allowed = ["MIT", "Apache-2.0", "ISC"].map(str::to_owned);
        fault(&Package { id, name, licence, origin: Origin::CratesIo }, &allowed)
    }

    #[test]
    fn one_side_of_or_is_enough_and_both_of_and_are_needed() {
        for good in ["MIT", "GPL-3.0-only OR MIT", "Unlicense/MIT", "ISC AND (Apache-2.0 OR OpenSSL)"] {
            assert_eq!(fault_of(Some(good)), None, "{good}");
        }
        for bad in ["GPL-3.0-only", "MIT AND OpenSSL", "MIT WITH LLVM-exception"] {
            let fault = format!("one 1.0.0 is under {bad}, which deny.toml does not allow");
            assert_eq!(fault_of(Some(bad)), Some(fault));
        }
    }

    #[test]
    fn a_package_that_does_not_say_is_a_fault() {
        assert_eq!(fault_of(None).as_deref(), Some("one 1.0.0 names no licence"));
        assert!(fault_of(Some("Free for all")).is_some_and(|fault| fault.contains("is no SPDX expression")));
    }
}
