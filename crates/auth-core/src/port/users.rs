//! User records of the Hub's accounts.

use super::{Answer, Change, Creation, Once};
use crate::{
    id::UserId,
    model::{NewUser, Page, User, UserPatch, Version},
    policy::{Action, Granted, OwnTarget, Scope},
    principal::{Principal, Tenant},
    time::Timestamp,
};

/// To make a user record.
#[derive(Debug)]
pub enum CreateUser {}
/// To change one.
#[derive(Debug)]
pub enum ChangeUser {}
/// To remove one.
#[derive(Debug)]
pub enum RemoveUser {}

impl Action for CreateUser {
    type Object = Tenant;
}
impl OwnTarget for CreateUser {
    fn own(who: &Principal) -> Option<Tenant> {
        who.tenant()
    }
}
impl Action for ChangeUser {
    type Object = User;
}
impl Action for RemoveUser {
    type Object = User;
}

/// Users.
#[async_trait::async_trait]
pub trait Users: Send + Sync {
    /// The user, if within the scope.
    async fn read(&self, scope: Scope, id: UserId) -> Answer<Option<User>>;
    /// The users within the scope, newest first.
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<User>>;
    /// Makes a user; an address is taken once an account.
    async fn create(&self, grant: &Granted<CreateUser>, new: NewUser, once: Option<Once>)
    -> Answer<Creation>;
    /// Changes it, if it is still at `version`.
    async fn change(
        &self,
        grant: &Granted<ChangeUser>,
        version: Version,
        patch: UserPatch,
        at: Timestamp,
    ) -> Answer<Change<User>>;
    /// Removes it; `false` where it was gone.
    async fn remove(&self, grant: &Granted<RemoveUser>, at: Timestamp) -> Answer<bool>;
}
