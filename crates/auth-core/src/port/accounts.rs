//! Accounts of the Hub.

use super::{Answer, Change, Creation, Once, Seq};
use crate::{
    id::AccountId,
    model::{Account, AccountPatch, NewAccount, NewDomain, Page, Status, Version},
    policy::{Action, Granted, Installation, Scope},
    time::Timestamp,
};

/// To make an account.
#[derive(Debug)]
pub enum CreateAccount {}
/// To change name or contact of an account.
#[derive(Debug)]
pub enum ChangeAccount {}
/// To suspend an account, or to revive it.
#[derive(Debug)]
pub enum SuspendAccount {}

impl Action for CreateAccount {
    type Object = Installation;
}
impl Action for ChangeAccount {
    type Object = Account;
}
impl Action for SuspendAccount {
    type Object = Account;
}

/// Accounts.
#[async_trait::async_trait]
pub trait Accounts: Send + Sync {
    /// The account, if it is within the scope.
    async fn read(&self, scope: Scope, id: AccountId) -> Answer<Option<Account>>;
    /// The accounts within the scope, newest first.
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Account>>;
    /// Makes an account with its domains, all or nothing: *taken* where one of their names is.
    async fn create(
        &self,
        grant: &Granted<CreateAccount>,
        new: NewAccount,
        domains: Vec<NewDomain>,
        once: Option<Once>,
    ) -> Answer<Creation>;
    /// Makes an account in a store that has none, and answers whether it did: of many at once, one does.
    async fn create_first(&self, grant: &Granted<CreateAccount>, new: NewAccount) -> Answer<bool>;
    /// Changes it, if it is still at `version`.
    async fn change(
        &self,
        grant: &Granted<ChangeAccount>,
        version: Version,
        patch: AccountPatch,
        at: Timestamp,
    ) -> Answer<Change<Account>>;
    /// Suspends or revives it: with it, all keys and tokens of its own and of its domains.
    async fn set_status(&self, grant: &Granted<SuspendAccount>, status: Status, at: Timestamp)
    -> Answer<Seq>;
}
