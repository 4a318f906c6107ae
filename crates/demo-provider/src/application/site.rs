//! Which path is answered by whom.

use super::{
    ApplicationConfig,
    calendars::{Begun, Calendars, Ended, Wanted},
    hub::{Hub, Trouble},
    pages,
};
use crate::{
    answer::{Answer, redirect, with},
    html::page,
    parameters::Parameters,
};
use auth_core::{
    model::ProviderName,
    time::{Clock, Timestamp},
};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{ALLOW, HOST, HeaderValue, ORIGIN, SET_COOKIE},
};
use maud::Markup;
use std::{sync::Arc, time::Duration};

/// Of which time events are shown: 30 days.
const SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// What all pages share.
pub(crate) struct Site {
    origin: String,
    calendars: Calendars,
    providers: Vec<ProviderName>,
    /// Where forms may lead beside this site, as a policy says it.
    lead_to: String,
    clock: Arc<dyn Clock>,
}

impl Site {
    /// The error says which part of the configuration cannot be.
    pub(crate) fn new(origin: String, config: ApplicationConfig, limit: Duration) -> Result<Self, String> {
        let hub = Hub::new(&config.hub, config.key, limit)?;
        let account = config.account_id.parse();
        let user = config.user_id.parse();
        let providers = config.providers.iter().map(|name| {
            ProviderName::parse(name).map_err(|_| format!("{name} cannot be the name of a provider"))
        });
        if let Some(wrong) = config.provider_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(format!("{wrong} is not an origin"));
        }
        Ok(Self {
            origin,
            providers: providers.collect::<Result<_, _>>()?,
            lead_to: [config.provider_origins.as_slice(), &[hub.origin()]].concat().join(" "),
            calendars: Calendars {
                hub,
                account: account.map_err(|_| format!("{} is no account", config.account_id))?,
                user: user.map_err(|_| format!("{} is no user", config.user_id))?,
            },
            clock: config.clock,
        })
    }

    fn page(&self, status: StatusCode, title: &str, shown: &Markup) -> Answer {
        page(&pages::LOOK, status, title, shown, &self.lead_to)
    }
    fn trouble(&self, trouble: &Trouble) -> Answer {
        self.page(trouble.status, &trouble.title, &pages::trouble(trouble))
    }
}

/// Whether a text is an origin, and nothing that would end a directive of a policy.
fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    authority.is_some_and(|authority| !authority.is_empty() && authority.bytes().all(is_plain))
}

/// What a path names.
#[derive(Clone, Copy)]
enum Place<'a> {
    Front,
    Link(&'a ProviderName),
    Events(&'a ProviderName),
    Unlink(&'a ProviderName),
}

impl<'a> Place<'a> {
    fn find(path: &str, providers: &'a [ProviderName]) -> Option<Self> {
        let (what, name) = path.strip_prefix('/')?.split_once('/').unwrap_or_default();
        let provider = providers.iter().find(|provider| provider.as_str() == name);
        match (path, what, provider) {
            ("/", ..) => Some(Self::Front),
            (_, "link", Some(provider)) => Some(Self::Link(provider)),
            (_, "events", Some(provider)) => Some(Self::Events(provider)),
            (_, "unlink", Some(provider)) => Some(Self::Unlink(provider)),
            _ => None,
        }
    }
    /// The one method that it takes.
    const fn method(self) -> Method {
        match self {
            Self::Front | Self::Events(_) => Method::GET,
            Self::Link(_) | Self::Unlink(_) => Method::POST,
        }
    }
}

/// Answers a request. Nothing is in a body that would be read.
pub(crate) async fn enter(site: Arc<Site>, request: Request<Incoming>) -> Answer {
    let (uri, method, headers) = (request.uri(), request.method(), request.headers());
    let wrong = |status, title, detail: &str| site.trouble(&Trouble::new(status, title, detail));
    if !is_for(&site.origin, headers) {
        // A name of somebody else's that leads here would have its pages count as own ones.
        let detail = format!("Open {} instead.", site.origin);
        return wrong(StatusCode::MISDIRECTED_REQUEST, "This site has another name", &detail);
    }
    let Some(place) = Place::find(uri.path(), &site.providers) else {
        return wrong(StatusCode::NOT_FOUND, "There is nothing here", "No page has this address.");
    };
    if *method != place.method() {
        let detail = format!("It takes {}.", place.method());
        let answer = wrong(StatusCode::METHOD_NOT_ALLOWED, "The method is not taken here", &detail);
        return with(answer, ALLOW, place.method().as_str());
    }
    if *method == Method::POST && !is_from_own_page(&site.origin, headers) {
        let title = "The request comes from another site's page";
        return wrong(StatusCode::FORBIDDEN, title, "This is done from a page of this site alone.");
    }
    let answer = match place {
        Place::Front => front(&site).await,
        Place::Link(provider) => link(&site, provider).await,
        Place::Events(provider) => events(&site, provider, uri.query().unwrap_or_default()).await,
        Place::Unlink(provider) => unlink(&site, provider).await,
    };
    answer.unwrap_or_else(|trouble| site.trouble(&trouble))
}

async fn front(site: &Site) -> Result<Answer, Trouble> {
    let connections = site.calendars.list().await?;
    let shown = pages::front(&site.providers, &connections);
    Ok(site.page(StatusCode::OK, "Demo application", &shown))
}

async fn link(site: &Site, provider: &ProviderName) -> Result<Answer, Trouble> {
    let Begun { url, cookies } = site.calendars.begin(provider, &format!("{}/", site.origin)).await?;
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if !is_url || HeaderValue::try_from(&url).is_err() {
        return Err(Trouble::hub("It leads to no address."));
    }
    let mut answer = redirect(StatusCode::SEE_OTHER, &url);
    // Cookies do not know ports: the Hub, at another one of the same host, gets what is set here.
    for cookie in cookies {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

async fn events(site: &Site, provider: &ProviderName, query: &str) -> Result<Answer, Trouble> {
    let wrong = |what| Trouble::new(StatusCode::BAD_REQUEST, "This address cannot be", what);
    let query = Parameters::read(query.as_bytes()).map_err(|fault| wrong(format!("{fault}.")))?;
    let from = query.get("from").map(str::parse::<Timestamp>).transpose();
    let from = from.map_err(|error| wrong(format!("from: {error}.")))?;
    let from = from.unwrap_or_else(|| site.clock.now());
    let wanted = Wanted { from, to: from + SPAN, cursor: query.get("cursor") };
    let listed = site.calendars.events(provider, &wanted).await?;
    let shown = pages::events(provider, &wanted, &listed);
    Ok(site.page(StatusCode::OK, &format!("Events of {}", provider.as_str()), &shown))
}

async fn unlink(site: &Site, provider: &ProviderName) -> Result<Answer, Trouble> {
    Ok(match site.calendars.end(provider).await? {
        Ended::Forgotten => redirect(StatusCode::SEE_OTHER, "/"),
        Ended::Waits => site.page(StatusCode::ACCEPTED, "Not told yet", &pages::waits(provider)),
    })
}

/// Whether a request was sent to this origin, by its name.
fn is_for(origin: &str, headers: &HeaderMap) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    said(headers, HOST.as_str()).is_ok_and(|host| host == authority)
}

/// Whether a browser says that a request comes from a page of this origin (Fetch Metadata, and `Origin`). `Origin: null` says
/// nothing.
fn is_from_own_page(origin: &str, headers: &HeaderMap) -> bool {
    match (said(headers, "sec-fetch-site"), said(headers, ORIGIN.as_str())) {
        (Ok(Some("same-origin")), Ok(None | Some("null"))) => true,
        (Ok(Some("same-origin") | None), Ok(Some(from))) => from == origin,
        _ => false,
    }
}

/// What a header says that may stand once. The error: it is there, and unclear.
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_origins_alone() {
        for origin in ["http://localhost:9", "https://accounts.google.com", "http://[::1]:9"] {
            assert!(is_origin(origin), "{origin}");
        }
        for text in [
            "",
            "http://",
            "a",
            "https://a/",
            "https://a b",
            "https://a;script-src *",
            "https://*",
            "ftp://a",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn what_a_browser_says_of_a_page_must_fit() {
        let own = "http://localhost:9";
        let foreign = "http://localhost:8";
        for (site, origin, expected) in [
            (vec!["same-origin"], vec![own], true),
            (vec!["same-origin"], vec![], true),
            (vec!["same-origin"], vec!["null"], true),
            (vec!["same-origin"], vec![foreign], false),
            (vec!["same-site"], vec![own], false),
            (vec!["cross-site"], vec![own], false),
            (vec!["none"], vec![], false),
            (vec!["same-origin", "same-origin"], vec![own], false),
            (vec![], vec![own], true),
            (vec![], vec![own, own], false),
            (vec![], vec!["null"], false),
            (vec![], vec![foreign], false),
            (vec![], vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, values) in [("sec-fetch-site", &site), ("origin", &origin)] {
                for value in values {
                    headers.append(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(is_from_own_page(own, &headers), expected, "{site:?} {origin:?}");
        }
    }
}
