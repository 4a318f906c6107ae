//! What is configured of calendars, and opening the vault with it.

use super::RealPause;
use auth_core::{
    entropy::Entropy,
    flow::{Calendars as Flow, Targets},
    model::ProviderName,
    port::{CalendarProvider, Stores},
    service::Service,
    time::Clock,
    vault::Vault,
};
use auth_store::Location;
use auth_web::outgoing::{Url, is_loopback};
use calendar_providers::ProviderSettings;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

/// How calendars are linked: the section `[calendars]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendars {
    /// Where browsers reach the Hub, such as `https://hub.example.com`: providers lead them back to
    /// `/oauth/{provider}/callback` there. What a request says of it does not count.
    pub public_url: String,
    /// The addresses that browsers may be led to afterwards, to the letter. The first is for who does not say.
    pub redirect_after: Vec<String>,
    /// The providers, by what they are called in paths.
    pub providers: BTreeMap<ProviderName, ProviderSettings>,
}

impl Calendars {
    /// Checks all that can be told without asking anybody.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.targets()?;
        self.clients().map(drop)
    }

    /// Opens the vault of a store, and the providers. Nobody is asked anything yet.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub async fn open(
        &self,
        location: &Location,
        stores: &Stores,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Flow, String> {
        let (targets, clients) = (self.targets()?, self.clients()?);
        let vault = vault(location, stores, clock, entropy).await?;
        Ok(Flow::new(vault, clients, targets, Arc::new(RealPause)))
    }

    fn clients(&self) -> Result<Vec<Arc<dyn CalendarProvider>>, String> {
        let base = parse("public_url", &self.public_url)?;
        if base.path() != "/" || base.query().is_some() {
            return Err(
                "calendars.public_url: expected an origin, such as https://hub.example.com".to_owned()
            );
        }
        let base = self.public_url.trim_end_matches('/');
        let open = |(name, settings): (&ProviderName, &ProviderSettings)| {
            calendar_providers::open(name.clone(), settings, &format!("{base}/oauth/{name}/callback"))
        };
        self.providers.iter().map(open).collect()
    }

    fn targets(&self) -> Result<Targets, String> {
        for target in &self.redirect_after {
            parse("redirect_after", target)?;
        }
        let none = "calendars.redirect_after: say where browsers are led once a calendar is linked";
        Targets::new(self.redirect_after.iter().cloned()).ok_or_else(|| none.to_owned())
    }
}

/// The vault of a store, with the Hub's keyring: it is made where nothing was sealed with it yet.
///
/// # Errors
/// One line that says what is wrong: also where the keyring is not the one that sealed what is there.
pub async fn vault(
    location: &Location,
    stores: &Stores,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Vault, String> {
    let fresh = Vault::is_new(stores).await.map_err(|error| error.to_string())?;
    let source = auth_store::key_source(location, Service::Hub, fresh, entropy);
    let source = source.map_err(|error| error.to_string())?;
    Vault::open(stores, source, clock, entropy).await.map_err(|error| error.to_string())
}

/// An address that browsers are led to: over TLS, or on this machine.
fn parse(setting: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("calendars.{setting}: {text}: {error}"))?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !is_safe || !is_plain || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "expected an https address without user and fragment, or one on this machine";
        return Err(format!("calendars.{setting}: {text}: {what}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(public_url: &str, redirect_after: &[&str]) -> Calendars {
        Calendars {
            public_url: public_url.to_owned(),
            redirect_after: redirect_after.iter().map(|&target| target.to_owned()).collect(),
            providers: BTreeMap::new(),
        }
    }

    #[test]
    fn browsers_are_led_over_tls_or_on_this_machine_to_what_is_listed() {
        let good = "https://app.example.com/settings?tab=calendars";
        assert_eq!(settings("https://hub.example.com", &[good]).check(), Ok(()));
        assert_eq!(settings("http://localhost:8080", &["http://127.0.0.1:3000/"]).check(), Ok(()));
        for (public_url, targets, setting) in [
            ("http://hub.example.com", &[good][..], "public_url"),
            ("https://hub.example.com/base", &[good], "public_url"),
            ("https://hub.example.com?x", &[good], "public_url"),
            ("hub.example.com", &[good], "public_url"),
            ("https://hub.example.com", &[], "redirect_after"),
            ("https://hub.example.com", &[good, "http://app.example.com"], "redirect_after"),
            ("https://hub.example.com", &["/settings"], "redirect_after"),
            ("https://hub.example.com", &["//evil.example"], "redirect_after"),
            ("https://hub.example.com", &["javascript:alert(1)"], "redirect_after"),
            ("https://hub.example.com", &["https://app.example.com@evil.example"], "redirect_after"),
            ("https://hub.example.com", &["https://app.example.com/\r\nX: y"], "redirect_after"),
            ("https://hub.example.com", &["https://app.example.com/#x"], "redirect_after"),
        ] {
            let error = settings(public_url, targets).check().unwrap_err();
            assert!(error.starts_with(&format!("calendars.{setting}: ")), "{error}");
        }
    }
}
