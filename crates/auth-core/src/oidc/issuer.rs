//! Who may have issued an ID token.

use crate::id::NotAnId;
use std::fmt;

/// The tenant of Microsoft's personal accounts.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Who may have issued an ID token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerRule {
    /// This one, to the letter.
    Exactly(String),
    /// Microsoft, for a tenant: `{origin}/{tid}/v2.0`, where `tid` is what the token says it is.
    Microsoft {
        /// Its origin, such as `https://login.microsoftonline.com`.
        origin: String,
        /// Which tenants are taken.
        tenants: Tenants,
    },
}

/// Which tenants of Microsoft are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// One organisation.
    One(String),
    /// Any organisation, and no personal accounts.
    Organizations,
    /// Personal accounts alone.
    Consumers,
    /// All of them.
    Common,
}

impl Tenants {
    /// The tenants of this name, as Microsoft's addresses have it: `organizations`, `consumers`, `common`, or a tenant's GUID.
    ///
    /// # Errors
    /// [`NotAnId`] for any other text.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        match text {
            "organizations" => Ok(Self::Organizations),
            "consumers" => Ok(Self::Consumers),
            "common" => Ok(Self::Common),
            tenant if is_guid(tenant) => Ok(Self::One(tenant.to_owned())),
            _ => Err(NotAnId),
        }
    }

    fn take(&self, tenant: &str) -> bool {
        is_guid(tenant)
            && match self {
                Self::One(one) => one == tenant,
                Self::Organizations => tenant != CONSUMERS,
                Self::Consumers => tenant == CONSUMERS,
                Self::Common => true,
            }
    }
}

/// As Microsoft's addresses have it.
impl fmt::Display for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(tenant) => tenant,
            Self::Organizations => "organizations",
            Self::Consumers => "consumers",
            Self::Common => "common",
        })
    }
}

/// A GUID in its one canonical form.
fn is_guid(text: &str) -> bool {
    text.parse::<crate::id::UserId>().is_ok()
}

impl IssuerRule {
    /// Whether a token of this `iss` and `tid` was issued by who may.
    pub(super) fn takes(&self, issuer: &str, tenant: Option<&str>) -> bool {
        match self {
            Self::Exactly(one) => issuer == one,
            Self::Microsoft { origin, tenants } => tenant
                .is_some_and(|tenant| tenants.take(tenant) && issuer == format!("{origin}/{tenant}/v2.0")),
        }
    }

    /// Whether a callback that names this issuer (RFC 9207 §2.4) can be the provider's.
    pub fn may_call_back(&self, issuer: &str) -> bool {
        match self {
            Self::Exactly(one) => issuer == one,
            Self::Microsoft { origin, .. } => issuer
                .strip_prefix(origin.as_str())
                .and_then(|rest| rest.strip_prefix('/')?.strip_suffix("/v2.0"))
                .is_some_and(|tenant| self.takes(issuer, Some(tenant))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const ORIGIN: &str = "https://login.microsoftonline.com";

    #[test]
    fn an_issuer_is_taken_to_the_letter() {
        let rule = IssuerRule::Exactly("https://accounts.example.com".to_owned());
        assert!(rule.takes("https://accounts.example.com", None));
        assert!(rule.may_call_back("https://accounts.example.com"));
        for other in [
            "",
            "accounts.example.com",
            "http://accounts.example.com",
            "https://accounts.example.com/",
            "https://ACCOUNTS.example.com",
            "https://accounts.example.com.evil.example",
        ] {
            assert!(!rule.takes(other, None) && !rule.may_call_back(other), "{other}");
        }
    }

    #[test]
    fn a_tenant_of_microsoft_is_the_one_of_the_issuer_and_among_those_that_are_taken() {
        let rule = |tenants: &str| IssuerRule::Microsoft {
            origin: ORIGIN.to_owned(),
            tenants: Tenants::parse(tenants).unwrap(),
        };
        let takes = |tenants: &str, tenant: &str| {
            let issuer = format!("{ORIGIN}/{tenant}/v2.0");
            let taken = rule(tenants).takes(&issuer, Some(tenant));
            assert_eq!(rule(tenants).may_call_back(&issuer), taken, "{tenants} {tenant}");
            taken
        };
        let other = "11111111-2222-3333-4444-555555555555";
        for (tenants, organization, consumers) in [
            (TENANT, true, false),
            (other, false, false),
            (CONSUMERS, false, true),
            ("organizations", true, false),
            ("consumers", false, true),
            ("common", true, true),
        ] {
            assert_eq!(
                (takes(tenants, TENANT), takes(tenants, CONSUMERS)),
                (organization, consumers),
                "{tenants}"
            );
        }
        let issuer = format!("{ORIGIN}/{TENANT}/v2.0");
        let common = rule("common");
        for (issuer, tenant) in [
            (issuer.as_str(), None),
            (&issuer, Some(other)),
            (&issuer, Some("")),
            (&format!("{issuer}/"), Some(TENANT)),
            (&issuer.to_uppercase(), Some(TENANT)),
            (&format!("{ORIGIN}/common/v2.0"), Some("common")),
            (&format!("{ORIGIN}/{{tenantid}}/v2.0"), Some("{tenantid}")),
            (&format!("https://sts.windows.net/{TENANT}/"), Some(TENANT)),
        ] {
            assert!(!common.takes(issuer, tenant), "{issuer} {tenant:?}");
        }
        for wrong in ["", "Organizations", "x", "72F988BF-86F1-41AF-91AB-2D7CD011DB47"] {
            assert!(Tenants::parse(wrong).is_err(), "{wrong}");
        }
    }
}
