//! Finding the store, and the core on it.

use crate::{
    arguments::Place,
    operator::{Operates, operator},
};
use auth_core::{
    error::{FlowError, StoreError},
    flow::Platform,
    id::AccountId,
    jwt::SigningKeys,
    model::{Account, Domain, DomainName, Page},
    policy::Proof,
    port::Stores,
    service::Service,
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use chatbot_service::{issuer::Tokens, settings};
use std::{path::PathBuf, sync::Arc};

impl Place {
    /// Where the store and its audit key and anchor are.
    pub(crate) fn location(&self) -> Location {
        let file = || format!("sqlite://{}", self.data_dir.join("auth.db").display());
        let location = Location::at(&self.store.clone().unwrap_or_else(file));
        // Beside the database, where that is a file.
        let beside = |name| (!location.is_file()).then(|| self.data_dir.join(name));
        Location {
            password_file: self.store_password_file.clone(),
            redis: self.redis.as_deref().map(Into::into),
            redis_password_file: self.redis_password_file.clone(),
            audit_key: self.audit_key.clone().or_else(|| beside("audit.key")),
            audit_anchor: self.audit_anchor.clone().or_else(|| beside("audit.anchor")),
            keyring: self.keyring.clone().or_else(|| beside("chatbot.keyring")),
            ..location
        }
    }

    /// The same, with the keyring of the Hub.
    pub(crate) fn hub_location(&self) -> Location {
        let location = self.location();
        let beside = (!location.is_file()).then(|| self.data_dir.join("hub.keyring"));
        Location { keyring: self.hub_keyring.clone().or(beside), ..location }
    }

    /// The file with the first keys.
    pub(crate) fn bootstrap_file(&self) -> PathBuf {
        self.data_dir.join("bootstrap.json")
    }

    /// Opens the store, making it where there is none.
    pub(crate) async fn open_or_make(&self) -> Result<Stores, String> {
        auth_store::open(&self.location(), &OsEntropy).await.map_err(|error| error.to_string())
    }

    /// Where the store is, if it is there.
    pub(crate) async fn existing(&self) -> Result<Location, String> {
        let location = self.location();
        if auth_store::is_new(&location).await.map_err(|error| error.to_string())? {
            return Err(format!("{location}: there is no store; `authctl init` makes one"));
        }
        Ok(location)
    }

    /// The signing keys of the store, for a chatbot service of this origin.
    pub(crate) async fn signing_keys(&self, stores: &Stores, origin: &str) -> Result<SigningKeys, String> {
        let issuer = Tokens::default().issuer(origin)?;
        settings::signing_keys(&self.location(), stores, issuer, &OsEntropy).await
    }

    /// Opens the store that is there, as its operator.
    pub(crate) async fn operate(&self) -> Result<Desk, String> {
        let location = self.existing().await?;
        let stores = auth_store::open(&location, &OsEntropy).await.map_err(|error| error.to_string())?;
        Ok(Desk { platforms: Service::ALL.map(|service| platform(service, &stores)), proof: operator()? })
    }
}

/// The core of a service on a store.
pub(crate) fn platform(service: Service, stores: &Stores) -> Platform {
    Platform::new(service, stores.clone(), Arc::new(SystemClock::start()), Arc::new(OsEntropy))
}

/// An open store, and the operator's proof.
pub(crate) struct Desk {
    platforms: [Platform; Service::ALL.len()],
    pub(crate) proof: Proof<'static, Operates>,
}

impl Desk {
    /// The core of a service.
    pub(crate) fn platform(&self, service: Service) -> &Platform {
        let [hub, chatbot] = &self.platforms;
        match service {
            Service::Hub => hub,
            Service::Chatbot => chatbot,
        }
    }

    /// The core, where the service does not matter.
    pub(crate) fn any(&self) -> &Platform {
        self.platform(Service::Hub)
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.any().stores
    }

    pub(crate) async fn account(&self, id: AccountId) -> Result<Account, String> {
        let found = self.stores().accounts.read(self.proof.scope(), id).await.map_err(failed)?;
        found.ok_or_else(|| format!("there is no account {id}"))
    }

    pub(crate) async fn domain(&self, name: &DomainName) -> Result<Domain, String> {
        let found = self.stores().domains.by_name(self.proof.scope(), name).await.map_err(failed)?;
        found.ok_or_else(|| format!("there is no domain {name}"))
    }
}

/// All items of a list, page by page.
pub(crate) async fn all<T>(
    read: impl AsyncFn(Page) -> Result<Vec<T>, StoreError>,
    id: impl Fn(&T) -> [u8; 16],
) -> Result<Vec<T>, String> {
    let mut items = Vec::new();
    loop {
        let page = Page { limit: Page::MOST, before: items.last().map(&id) };
        let more = read(page).await.map_err(failed)?;
        let last = more.len() < usize::from(Page::MOST);
        items.extend(more);
        if last {
            return Ok(items);
        }
    }
}

/// A failure of a store, or of a use case, in one line.
pub(crate) fn failed(error: impl Into<FlowError>) -> String {
    error.into().to_string()
}
