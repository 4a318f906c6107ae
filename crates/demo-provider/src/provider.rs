//! A provider that runs.

use crate::{
    authorize::{consented, declined, judge},
    calendar::Event,
    config::{Account, Config},
    desk::Desk,
    keys::Key,
    ledger::Asked,
    like::{Like, is_tenant},
    listen::{on_loopback, serve},
    misbehaviour::Misbehaviour,
    seen::Seen,
    serve::enter,
};
use std::sync::Arc;
use tokio::task::{AbortHandle, spawn_blocking};

/// A provider that runs; it stops serving when it is dropped.
pub struct Provider {
    desk: Arc<Desk>,
    serving: AbortHandle,
}

impl Provider {
    /// Starts one, in the runtime of the caller. The first one of a process makes the keys, which takes a moment.
    ///
    /// The error says why it cannot: an address that is not of the loopback, an account whose subject is its address, a
    /// redirect URI with a fragment.
    pub async fn start(listener: std::net::TcpListener, config: Config) -> Result<Self, String> {
        if let Some(account) = config.accounts.iter().find(|account| account.subject == account.address) {
            return Err(format!("the subject of {} is its address", account.address));
        }
        if let Some(uri) = config.redirect_uris.iter().find(|uri| uri.contains('#')) {
            return Err(format!("{uri} has a fragment"));
        }
        let (listener, origin) = on_loopback(listener)?;
        let made = spawn_blocking(|| Key::of(Like::Google).and(Key::of(Like::Microsoft)).map(|_| ()));
        made.await.map_err(|error| error.to_string())??;
        let desk = Arc::new(Desk::new(origin, config));
        let entered = Arc::clone(&desk);
        let serving = tokio::spawn(serve(listener, move |request| enter(Arc::clone(&entered), request)));
        let serving = serving.abort_handle();
        Ok(Self { desk, serving })
    }

    /// `http://localhost:PORT`.
    pub fn origin(&self) -> &str {
        &self.desk.origin
    }
    /// From now on misbehaves in this way, or not at all.
    pub fn misbehave(&self, how: Option<Misbehaviour>) {
        self.desk.misbehave(how);
    }
    /// Where those are sent whom a misbehaviour sends elsewhere. Until this is called: a port that nobody serves.
    pub fn redirect_to(&self, url: &str) {
        self.desk.redirect_to(url);
    }
    /// Everything that it was asked so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.desk.seen()
    }
    /// Where a browser goes whose owner consents as the account of this address: the callback, with a code. The request
    /// is judged and remembered as if the browser had shown it; the error says what is wrong with it.
    pub fn consent(&self, authorization_url: &str, address: &str) -> Result<String, String> {
        let account: Account =
            self.desk.config.account(address).cloned().ok_or_else(|| format!("{address} has no account"))?;
        Ok(consented(&self.desk, self.asked(authorization_url)?, &account))
    }
    /// Where a browser goes whose owner declines.
    pub fn decline(&self, authorization_url: &str) -> Result<String, String> {
        Ok(declined(&self.desk, &self.asked(authorization_url)?))
    }
    /// The person withdraws what they granted: refreshes are `invalid_grant`, and access tokens good for nothing.
    pub fn end_grant(&self, address: &str) {
        self.desk.ledger().end_all_of(address);
    }
    /// Whether the account of this address has a grant that still is good for something: one with a refresh token, or with
    /// an access token that is not over.
    pub fn is_granted(&self, address: &str) -> bool {
        self.desk.ledger().is_granted(address, self.desk.now())
    }
    /// Puts an event into the calendar of an address, beside the five that each account has from the start.
    pub fn add_event(&self, address: &str, event: Event) {
        self.desk.calendars.add(address, event);
    }

    fn asked(&self, url: &str) -> Result<Asked, String> {
        let target = url.strip_prefix(self.origin()).ok_or_else(|| format!("{url} is not here"))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let tenant = path.strip_prefix('/').and_then(|path| path.strip_suffix("/oauth2/v2.0/authorize"));
        let like = match (path, tenant) {
            ("/o/oauth2/v2/auth", _) => Like::Google,
            (_, Some(tenant)) if is_tenant(tenant) => Like::Microsoft,
            _ => return Err(format!("{path} is no authorization endpoint")),
        };
        judge(&self.desk, like, query)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
