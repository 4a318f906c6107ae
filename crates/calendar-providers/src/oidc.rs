//! Any provider of OpenID Connect: its issuer is configured, and its own document says where the rest is.

use crate::{
    calendar::Calendar,
    discovery::Discovery,
    places::{Found, Parts, Wrong, scopes},
    provider::{Revoking, Ways},
    settings::Oidc,
};
use auth_core::{
    model::{DomainName, Scopes},
    oidc::IssuerRule,
};
use auth_web::outgoing::Reach;

/// What says who somebody is, and opens no calendar.
const TOLERATED: &str = "openid profile email offline_access";

pub(crate) fn parts(settings: &Oidc) -> Result<Parts, Wrong> {
    let reach = Reach::loopback(&settings.issuer).unwrap_or(Reach::Public);
    let issuer = reach.endpoint(&settings.issuer).map_err(|why| Wrong::new("issuer", why))?;
    let events = reach.endpoint(&settings.api_url).map_err(|why| Wrong::new("api_url", why))?;
    if let Some(name) = settings.hosts.iter().find(|name| !is_normal(name)) {
        return Err(Wrong::new("hosts", format!("{name} is not the name of a host in lower case")));
    }
    let (asked, tolerated) = (scopes(&settings.scopes)?, scopes(TOLERATED)?);
    if !asked.contains("openid") {
        return Err(Wrong::new("scopes", "openid is missing"));
    }
    let needed: Vec<_> = asked.iter().filter(|value| !tolerated.contains(value)).collect();
    if needed.is_empty() {
        return Err(Wrong::new("scopes", "nothing of it opens a calendar"));
    }
    let needed: Scopes = scopes(&needed.join(" "))?;
    let discovery = Discovery::new(settings.issuer.clone(), issuer, reach.clone(), settings.hosts.clone());
    let discovery = discovery.map_err(|why| Wrong::new("issuer", why))?;
    Ok(Parts {
        issuer: IssuerRule::Exactly(settings.issuer.clone()),
        names_issuer: settings.names_issuer,
        asked,
        needed,
        tolerated,
        ways: Ways {
            found: Found::Discovered(Box::new(discovery.that_names_issuer(settings.names_issuer))),
            // Without it, access while the user is away is not asked for (OpenID Connect Core §11).
            asking: &[("prompt", "consent")],
            scope_names: str::to_owned,
            revoking: Revoking::AsClient,
            calendar: Calendar::new(settings.api, events),
        },
        reach,
    })
}

fn is_normal(name: &str) -> bool {
    DomainName::parse(name).is_ok_and(|normal| normal.as_str() == name)
}
