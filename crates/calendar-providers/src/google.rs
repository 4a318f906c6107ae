//! Google. Its addresses are those of its discovery document, and written here: who answers there is Google, whatever a
//! document says.

use crate::{
    calendar::Calendar,
    places::{Found, Parts, Places, Wrong, origin, pinned, reach, scopes},
    provider::{Revoking, Ways},
    settings::{CalendarApi, Google},
};
use auth_core::oidc::IssuerRule;
use std::sync::Arc;

const ISSUER: &str = "https://accounts.google.com";
const AUTHORIZATION: &str = "https://accounts.google.com/o/oauth2/v2/auth";
const TOKEN: &str = "https://oauth2.googleapis.com/token";
const REVOCATION: &str = "https://oauth2.googleapis.com/revoke";
const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
const EVENTS: &str = "https://www.googleapis.com/calendar/v3/calendars/primary/events";

const ASKED: &str = "openid https://www.googleapis.com/auth/userinfo.email \
                     https://www.googleapis.com/auth/calendar.readonly";
const NEEDED: &str = "https://www.googleapis.com/auth/calendar.readonly";
/// `email` is granted under its long name, and `userinfo.profile` where the user granted it before.
const TOLERATED: &str = "openid email https://www.googleapis.com/auth/userinfo.email \
                         https://www.googleapis.com/auth/userinfo.profile";

pub(crate) fn parts(settings: &Google) -> Result<Parts, Wrong> {
    let reach = reach(settings.at.as_deref())?;
    let places = Places {
        authorization: pinned(&reach, AUTHORIZATION)?,
        token: pinned(&reach, TOKEN)?,
        revocation: Some(pinned(&reach, REVOCATION)?),
        keys: pinned(&reach, KEYS)?,
    };
    Ok(Parts {
        issuer: IssuerRule::Exactly(origin(&reach, ISSUER)),
        // Its document did not say that they do. One that is named has to be this issuer all the same.
        names_issuer: false,
        asked: scopes(ASKED)?,
        needed: scopes(NEEDED)?,
        tolerated: scopes(TOLERATED)?,
        ways: Ways {
            found: Found::Pinned(Arc::new(places)),
            // A refresh token comes with a consent that was asked for, and with no other.
            asking: &[("access_type", "offline"), ("prompt", "consent")],
            scope_names: str::to_owned,
            revoking: Revoking::Anonymously,
            calendar: Calendar::new(CalendarApi::Google, pinned(&reach, EVENTS)?),
        },
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_web::outgoing::{Endpoint, Reach};
    use std::path::PathBuf;

    #[test]
    fn each_address_is_the_one_that_google_documents() {
        let settings =
            Google { client_id: "client".to_owned(), client_secret_file: PathBuf::new(), at: None };
        let parts = parts(&settings).unwrap();
        assert_eq!(parts.reach, Reach::Public);
        assert_eq!(parts.issuer, IssuerRule::Exactly("https://accounts.google.com".to_owned()));
        let Found::Pinned(places) = parts.ways.found else { panic!("its addresses are written here") };
        let found = [&places.authorization, &places.token, &places.keys].map(Endpoint::as_str);
        let documented = [
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com/oauth2/v3/certs",
        ];
        assert_eq!(found, documented);
        let revocation = places.revocation.as_ref().map(Endpoint::as_str);
        assert_eq!(revocation, Some("https://oauth2.googleapis.com/revoke"));
        let events = pinned(&Reach::Public, EVENTS).unwrap();
        assert_eq!(events.as_str(), "https://www.googleapis.com/calendar/v3/calendars/primary/events");
    }
}
