//! Calls of the Hub's accounts.

use super::{Answer, Change, Creation, Once};
use crate::{
    id::CallId,
    model::{Call, NewCall, Page, Usage},
    policy::{Action, Granted, OwnTarget, Scope},
    principal::{Principal, Tenant},
    time::Timestamp,
};

/// To start a call for the caller's account.
#[derive(Debug)]
pub enum StartCall {}
/// To cancel a call.
#[derive(Debug)]
pub enum CancelCall {}

impl Action for StartCall {
    type Object = Tenant;
}
impl OwnTarget for StartCall {
    fn own(who: &Principal) -> Option<Tenant> {
        who.tenant()
    }
}
impl Action for CancelCall {
    type Object = Call;
}

/// Calls.
#[async_trait::async_trait]
pub trait Calls: Send + Sync {
    /// The call, if within the scope.
    async fn read(&self, scope: Scope, id: CallId) -> Answer<Option<Call>>;
    /// The calls within the scope, newest first.
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Call>>;
    /// Stores a call.
    async fn start(&self, grant: &Granted<StartCall>, new: NewCall, once: Option<Once>) -> Answer<Creation>;
    /// Cancels it; *stale* where it was cancelled already.
    async fn cancel(&self, grant: &Granted<CancelCall>, at: Timestamp) -> Answer<Change<Call>>;
    /// Calls from `from` until before `to` that are billed, by month and channel. A call counts at the time that it
    /// is made: its scheduled time, or at once. One that was cancelled before its scheduled time does not count;
    /// one that was cancelled later does, so what is past stays as it was.
    async fn usage(&self, scope: Scope, from: Timestamp, to: Timestamp) -> Answer<Vec<Usage>>;
}
