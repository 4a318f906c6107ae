//! People and their passwords.

use super::{Answer, Change, Creation, Seq};
use crate::{
    credential::PasswordHash,
    id::{PersonId, SessionId},
    model::{Address, Login, NewPerson, Page, Person, PersonPatch, Version},
    policy::{Action, GivenRole, Granted, Installation, OpenAction, OwnPerson, OwnTarget, Scope},
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

/// Which sessions of its person another password ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// All but the one that sets it.
    Others,
    /// All.
    All,
}

/// To make the first super admin.
#[derive(Debug)]
pub enum CreateSuperAdmin {}
impl Action for CreateSuperAdmin {
    type Object = Installation;
}

/// To change a person: their name, whether they are suspended, whether they administer the platform.
#[derive(Debug)]
pub enum ChangePerson {}
/// To remove a person.
#[derive(Debug)]
pub enum RemovePerson {}

impl Action for ChangePerson {
    type Object = Person;
}
impl Action for RemovePerson {
    type Object = Person;
}

/// The outcome of changing or removing a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonChange<T> {
    /// It was done.
    Done(T),
    /// The person is not in the state that was read; or who does it is no longer who they were.
    Stale,
    /// Nobody would administer the platform then.
    LastSuperAdmin,
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
    /// Registers somebody; an address is taken once. Where they want to be a member of a domain in use they are one from
    /// then on if it is open, and else have asked for it.
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
    /// Sets another password, if `old` is still the hash of theirs, they are not suspended, and the session that sets it has
    /// not ended; and ends all their other sessions, or all. Whoever proved themself by the old one begins no session any
    /// more.
    async fn change_password(
        &self,
        grant: &Granted<ChangePassword>,
        old: &PasswordHash,
        new: PasswordHash,
        by: (SessionId, Ends),
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// The person, if the scope is everything: to whoever administers no more than a domain, people are its members.
    async fn find(&self, scope: Scope, id: PersonId) -> Answer<Option<Person>>;
    /// All people, if the scope is everything, those who registered last first.
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Person>>;
    /// Changes a person who is still at `version`. Whoever is suspended has no session any more, also once they are
    /// revived; whoever begins or ceases to administer the platform has none of the platform. There always is a super
    /// admin who is not suspended. `highest` is the highest role that is given or taken.
    async fn change(
        &self,
        grant: &Granted<ChangePerson>,
        version: Version,
        patch: PersonPatch,
        highest: GivenRole,
        at: Timestamp,
    ) -> Answer<PersonChange<(Person, Seq)>>;
    /// Removes a person who is still at `version`, with all that is theirs. There always is a super admin who is not
    /// suspended. The trail keeps what they did.
    async fn remove(
        &self,
        grant: &Granted<RemovePerson>,
        version: Version,
        highest: GivenRole,
        at: Timestamp,
    ) -> Answer<PersonChange<Seq>>;
    /// Keeps another hash of the same password, if `old` is still the hash of theirs.
    async fn rehash(&self, address: &Address, old: &PasswordHash, new: PasswordHash) -> Answer<()>;
}
