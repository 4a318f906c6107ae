//! Microsoft. Its addresses are written here; the tenants that are taken are a part of them.

use crate::{
    calendar::Calendar,
    places::{Found, Parts, Places, Wrong, origin, pinned, reach, scopes},
    provider::{Revoking, Ways},
    settings::{CalendarApi, Microsoft},
};
use auth_core::oidc::{IssuerRule, Tenants};
use std::sync::Arc;

const ORIGIN: &str = "https://login.microsoftonline.com";
const EVENTS: &str = "https://graph.microsoft.com/v1.0/me/calendarView";

/// What stands before the names of Graph's scopes, or does not.
const GRAPH: &str = "https://graph.microsoft.com/";
const ASKED: &str = "openid email offline_access https://graph.microsoft.com/Calendars.Read";
const NEEDED: &str = "https://graph.microsoft.com/Calendars.Read";
const TOLERATED: &str = "openid profile email offline_access https://graph.microsoft.com/User.Read";

pub(crate) fn parts(settings: &Microsoft) -> Result<Parts, Wrong> {
    let reach = reach(settings.at.as_deref())?;
    let wrong = "expected organizations, consumers, common, or the GUID of a tenant";
    let tenants = Tenants::parse(&settings.tenant).map_err(|_| Wrong::new("tenant", wrong))?;
    let at = |path: &str| pinned(&reach, &format!("{ORIGIN}/{tenants}/{path}"));
    let places = Places {
        authorization: at("oauth2/v2.0/authorize")?,
        token: at("oauth2/v2.0/token")?,
        // It has none: users end what they granted in their own settings.
        revocation: None,
        keys: at("discovery/v2.0/keys")?,
    };
    Ok(Parts {
        issuer: IssuerRule::Microsoft { origin: origin(&reach, ORIGIN), tenants },
        names_issuer: false,
        asked: scopes(ASKED)?,
        needed: scopes(NEEDED)?,
        tolerated: scopes(TOLERATED)?,
        ways: Ways {
            found: Found::Pinned(Arc::new(places)),
            asking: &[("prompt", "select_account"), ("response_mode", "query")],
            scope_names,
            revoking: Revoking::AsClient,
            calendar: Calendar::new(CalendarApi::Microsoft, pinned(&reach, EVENTS)?),
        },
        reach,
    })
}

/// The name of a scope as it is asked for: answers have it with or without what Graph's stand behind, in any case. What is
/// not known stays as it is.
fn scope_names(granted: &str) -> String {
    let bare = match granted.get(..GRAPH.len()) {
        Some(start) if start.eq_ignore_ascii_case(GRAPH) => granted.get(GRAPH.len()..).unwrap_or_default(),
        _ => granted,
    };
    let known = |name: &&str| name.strip_prefix(GRAPH).unwrap_or(name).eq_ignore_ascii_case(bare);
    ASKED.split(' ').chain(TOLERATED.split(' ')).find(known).unwrap_or(granted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_web::outgoing::{Endpoint, Reach};
    use std::path::PathBuf;

    #[test]
    fn each_address_is_the_one_that_microsoft_documents() {
        for tenant in ["organizations", "consumers", "common", "7d0e5c3a-2b41-4f6d-9a8e-0c1d2e3f4a5b"] {
            let settings = Microsoft {
                client_id: "client".to_owned(),
                client_secret_file: PathBuf::new(),
                tenant: tenant.to_owned(),
                at: None,
            };
            let parts = parts(&settings).unwrap();
            assert_eq!(parts.reach, Reach::Public);
            let issuer = IssuerRule::Microsoft {
                origin: "https://login.microsoftonline.com".to_owned(),
                tenants: Tenants::parse(tenant).unwrap(),
            };
            assert_eq!(parts.issuer, issuer);
            let Found::Pinned(places) = parts.ways.found else { panic!("its addresses are written here") };
            let found = [&places.authorization, &places.token, &places.keys].map(Endpoint::as_str);
            let documented = ["oauth2/v2.0/authorize", "oauth2/v2.0/token", "discovery/v2.0/keys"]
                .map(|path| format!("https://login.microsoftonline.com/{tenant}/{path}"));
            assert_eq!(found, documented.each_ref().map(String::as_str));
            assert_eq!(places.revocation, None, "it has no way to be told");
        }
        let events = pinned(&Reach::Public, EVENTS).unwrap();
        assert_eq!(events.as_str(), "https://graph.microsoft.com/v1.0/me/calendarView");
    }

    #[test]
    fn scopes_are_told_apart_however_they_are_written() {
        for (granted, name) in [
            ("Calendars.Read", "https://graph.microsoft.com/Calendars.Read"),
            ("calendars.read", "https://graph.microsoft.com/Calendars.Read"),
            ("https://graph.microsoft.com/Calendars.Read", "https://graph.microsoft.com/Calendars.Read"),
            ("HTTPS://Graph.Microsoft.com/CALENDARS.READ", "https://graph.microsoft.com/Calendars.Read"),
            ("user.read", "https://graph.microsoft.com/User.Read"),
            ("https://graph.microsoft.com/openid", "openid"),
            ("OpenID", "openid"),
            ("offline_access", "offline_access"),
            ("Calendars.ReadWrite", "Calendars.ReadWrite"),
            ("https://graph.microsoft.com/Mail.Read", "https://graph.microsoft.com/Mail.Read"),
            (
                "https://graph.microsoft.com.evil.example/Calendars.Read",
                "https://graph.microsoft.com.evil.example/Calendars.Read",
            ),
            ("https://outlook.office.com/Calendars.Read", "https://outlook.office.com/Calendars.Read"),
            ("https://graph.microsoft.com/", "https://graph.microsoft.com/"),
        ] {
            assert_eq!(scope_names(granted), name, "{granted}");
        }
    }
}
