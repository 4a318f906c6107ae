//! People and their passwords.

use super::{Answer, Change, Creation, Seq};
use crate::{
    credential::PasswordHash,
    id::{PersonId, SessionId},
    model::{Address, Login, NewPerson, Person},
    policy::{Action, Granted, Installation, OpenAction, OwnPerson, OwnTarget},
    principal::Principal,
    seal::Sealed,
    time::Timestamp,
};

/// To register.
#[derive(Debug)]
pub enum Register {}
/// To set one's own password.
#[derive(Debug)]
pub enum ChangePassword {}

impl Action for Register {
    type Object = Installation;
}
impl OpenAction for Register {}
impl Action for ChangePassword {
    type Object = Person;
}
impl OwnTarget for ChangePassword {
    fn own(who: &Principal) -> Option<PersonId> {
        match who {
            Principal::Person(person) => Some(person.person),
            _ => None,
        }
    }
}

/// To make the first super admin.
#[derive(Debug)]
pub enum CreateSuperAdmin {}
impl Action for CreateSuperAdmin {
    type Object = Installation;
}

/// To take over people of the earlier system.
#[derive(Debug)]
pub enum ImportPeople {}
impl Action for ImportPeople {
    type Object = Installation;
}

/// People.
#[async_trait::async_trait]
pub trait People: Send + Sync {
    /// The person themself.
    async fn read(&self, own: OwnPerson) -> Answer<Option<Person>>;
    /// What a login with this address needs: it says nothing to whoever has not the password.
    async fn by_address(&self, address: &Address) -> Answer<Option<Login>>;
    /// What a login of this person needs.
    async fn login_of(&self, own: OwnPerson) -> Answer<Option<Login>>;
    /// Registers somebody; an address is taken once.
    async fn register(&self, grant: &Granted<Register>, new: NewPerson) -> Answer<Creation>;
    /// Takes people of the earlier system over in one transaction, with the hashes that they have. Whether each was made:
    /// whoever has an address that is taken stays as they are.
    async fn import(&self, grant: &Granted<ImportPeople>, new: Vec<NewPerson>) -> Answer<Vec<bool>>;
    /// Makes the first super admin, with an authenticator that is a factor at once: *taken* where there is one already, or
    /// the address is somebody's. Of many one is made.
    async fn create_first_super_admin(
        &self,
        grant: &Granted<CreateSuperAdmin>,
        new: NewPerson,
        totp: Sealed,
    ) -> Answer<Creation>;
    /// Sets another password, if `old` is still the hash of theirs, they are not suspended, and the session `kept` has not
    /// ended; and ends all their other sessions. Whoever proved themself by the old one begins no session any more.
    async fn change_password(
        &self,
        grant: &Granted<ChangePassword>,
        old: &PasswordHash,
        new: PasswordHash,
        kept: Option<SessionId>,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// Keeps another hash of the same password, if `old` is still the hash of theirs.
    async fn rehash(&self, address: &Address, old: &PasswordHash, new: PasswordHash) -> Answer<()>;
}
