//! `init`, and the first thing that `up` does: an account, its domain, a key of each service and a super admin, on an
//! empty store.
//!
//! The keys are drawn and written to a draft before the store hears of them. Whatever ends the program in
//! between, the next start goes on with the draft: no key is in the store whose secret nobody has, and none is
//! made twice. A store that holds an account already gets nothing, so that a `bootstrap.json` that was put
//! away stays away.

use crate::{
    arguments::{Listen, Place},
    operator::{Operates, operator},
    output::{Report, print},
    place::{failed, platform},
};
use auth_core::{
    credential::{NewSecret, Password, TotpSecret, draw_key, draw_recovery_code},
    flow::Platform,
    id::{AccountId, DomainId, KeyId, PersonId},
    model::{Address, DomainName, DomainOwner, Name, NewAccount, NewDomain, NewKey, NewPerson, Page},
    policy::{Ceiling, Installation, Networks, Permission, Permissions, Proof, Rights, grant},
    port::{CreateAccount, CreateDomain, CreateKey, CreateSuperAdmin, Creation, Stores},
    principal::Tenant,
    seal::Keyring,
    secret::TokenDigest,
    service::Service,
};
use chatbot_service::passwords;
use serde::{Deserialize, Serialize};
use std::{
    fs::{DirBuilder, File},
    io::{ErrorKind, Read as _, Write as _},
    path::Path,
};

/// The domain that is made.
const DOMAIN: &str = "example.com";
/// The address of the super admin that is made.
const ADMIN: &str = "admin@example.com";

/// `bootstrap.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bootstrap {
    hub_url: String,
    chatbot_url: String,
    account_id: AccountId,
    hub_api_key: String,
    domain: DomainName,
    domain_api_key: String,
    /// By which the Hub asks the chatbot service in which state tokens are. Not there in the file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    introspection_key: Option<String>,
    /// Not there in the file of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admin: Option<Admin>,
}

/// The first super admin: who may begin with all of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    email: Address,
    password: String,
    /// For an authenticator (RFC 6238), in Base32.
    totp_secret: String,
}

/// What a start found.
pub(crate) enum Found {
    /// The file was written by this start, or by one before it.
    File {
        /// By this one.
        fresh: bool,
    },
    /// The store is in use, and the file is not there.
    NoFile,
}

/// The key by which the Hub asks the chatbot service, where the file has one.
pub(crate) fn introspection_key(place: &Place) -> Result<Option<String>, String> {
    Ok(read(&place.bootstrap_file())?.and_then(|found| found.introspection_key))
}

/// The first account and its key of the Hub, where the file is there.
pub(crate) fn first_key(place: &Place) -> Result<Option<(AccountId, String)>, String> {
    Ok(read(&place.bootstrap_file())?.map(|found| (found.account_id, found.hub_api_key)))
}

/// `authctl init`.
pub(crate) async fn run(place: &Place, listen: Listen, json: bool) -> Result<(), String> {
    let (hub, chatbot) = (url(listen.hub_listen), url(listen.chatbot_listen));
    make_folder(&place.data_dir)?;
    let stores = place.open_or_make().await?;
    let found = ensure(place, &stores, &hub, &chatbot).await?;
    let file = place.bootstrap_file().display().to_string();
    let made = matches!(found, Found::File { fresh: true });
    print(json, &Initialised { store: place.location().url.to_string(), file, made })
}

#[derive(Serialize)]
struct Initialised {
    store: String,
    file: String,
    made: bool,
}

impl Report for Initialised {
    fn text(&self) -> String {
        let Self { store, file, made } = self;
        if *made {
            format!("made {store}; its first keys are in {file}")
        } else {
            format!("{store} is in use already: nothing was made")
        }
    }
}

/// The base URL of a service that listens there.
pub(crate) fn url(listen: std::net::SocketAddr) -> String {
    format!("http://{listen}")
}

/// Makes the folder of the data, for its owner alone, where there is none.
pub(crate) fn make_folder(folder: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| named(folder, &error))
}

/// Sees to it that an empty store gets its first keys. Of several processes one does it, in whatever folders.
pub(crate) async fn ensure(
    place: &Place,
    stores: &Stores,
    hub: &str,
    chatbot: &str,
) -> Result<Found, String> {
    let (file, draft) = (place.bootstrap_file(), place.data_dir.join("bootstrap.json.draft"));
    let folder = File::open(&place.data_dir).map_err(|error| named(&place.data_dir, &error))?;
    // Held until the folder is closed, by whatever ends the program too.
    folder.lock().map_err(|error| named(&place.data_dir, &error))?;
    let proof = operator()?;
    for path in [&file, &draft] {
        auth_store::keep_private(path).map_err(|error| error.to_string())?;
    }
    if let Some(done) = read(&file)? {
        if stores.accounts.read(proof.scope(), done.account_id).await.map_err(failed)?.is_none() {
            let store = place.location().url;
            return Err(format!("{} is of another store than {store}: put it elsewhere", file.display()));
        }
        return Ok(Found::File { fresh: false });
    }
    // A draft that does not read was cut off before the store heard of anything in it.
    let begun = read(&draft).unwrap_or_default();
    let bootstrap = match begun {
        Some(begun) => begun,
        None if in_use(stores, &proof).await? => return Ok(Found::NoFile),
        None => {
            let new = draw(stores, hub, chatbot)?;
            write_draft(&draft, &new).map_err(|error| named(&draft, &error))?;
            new
        }
    };
    if !settle_in(place, stores, &proof, &bootstrap).await? {
        // Another process, which has another folder, was first: nothing of the draft is in the store.
        std::fs::remove_file(&draft).map_err(|error| named(&draft, &error))?;
        return Ok(Found::NoFile);
    }
    let written = std::fs::rename(&draft, &file).and_then(|()| auth_store::sync_folder_of(&file));
    written.map_err(|error| named(&file, &error))?;
    Ok(Found::File { fresh: true })
}

async fn in_use(stores: &Stores, proof: &Proof<'_, Operates>) -> Result<bool, String> {
    let first = Page { limit: 1, before: None };
    Ok(!stores.accounts.list(proof.scope(), first).await.map_err(failed)?.is_empty())
}

fn draw(stores: &Stores, hub: &str, chatbot: &str) -> Result<Bootstrap, String> {
    let platform = platform(Service::Hub, stores);
    let entropy = platform.entropy.as_ref();
    let key = |service| draw_key(service, entropy).0.reveal().expose().to_owned();
    Ok(Bootstrap {
        hub_url: hub.to_owned(),
        chatbot_url: chatbot.to_owned(),
        account_id: AccountId::draw(platform.now(), entropy),
        hub_api_key: key(Service::Hub),
        domain: DomainName::parse(DOMAIN).map_err(|error| error.to_string())?,
        domain_api_key: key(Service::Chatbot),
        introspection_key: Some(key(Service::Chatbot)),
        admin: Some(Admin {
            email: Address::parse(ADMIN).map_err(|error| error.to_string())?,
            // As much chance, and as easy to type, as a recovery code has.
            password: draw_recovery_code(entropy).0.reveal().expose().to_owned(),
            totp_secret: TotpSecret::draw(entropy).text().to_string(),
        }),
    })
}

/// Makes what is not there yet: it may be called again after any of its steps. Answers whether the store is this
/// process's to begin; where another was first, nothing was made.
async fn settle_in(
    place: &Place,
    stores: &Stores,
    proof: &Proof<'_, Operates>,
    wanted: &Bootstrap,
) -> Result<bool, String> {
    let platform = platform(Service::Hub, stores);
    let scope = proof.scope();
    let at = platform.now();
    if stores.accounts.read(scope, wanted.account_id).await.map_err(failed)?.is_none() {
        let granted = grant::<CreateAccount, _>(proof, &Installation).map_err(failed)?;
        let new = NewAccount { id: wanted.account_id, name: name("First account")?, contact: None, at };
        if !stores.accounts.create_first(&granted, new).await.map_err(failed)? {
            return Ok(false);
        }
    }
    let owner = stores.accounts.read(scope, wanted.account_id).await.map_err(failed)?;
    let owner = owner.ok_or("the account that was just made is not there")?;
    if stores.domains.by_name(scope, &wanted.domain).await.map_err(failed)?.is_none() {
        let granted = grant::<CreateDomain, _>(proof, &DomainOwner::of(&owner)).map_err(failed)?;
        let id = DomainId::draw(at, platform.entropy.as_ref());
        let new = NewDomain { id, name: wanted.domain.clone(), at };
        stores.domains.create(&granted, new, None).await.map_err(failed)?;
    }
    let domain = stores.domains.by_name(scope, &wanted.domain).await.map_err(failed)?;
    let domain = domain.filter(|domain| domain.account == wanted.account_id);
    let domain = domain.ok_or_else(|| format!("the domain {} belongs to another account", wanted.domain))?;
    let hub = Tenant { account: wanted.account_id, domain: None };
    make_key(&platform, proof, hub, Service::Hub, &wanted.hub_api_key).await?;
    let chatbot = Tenant { domain: Some(domain.id), ..hub };
    make_key(&platform, proof, chatbot, Service::Chatbot, &wanted.domain_api_key).await?;
    if let Some(secret) = &wanted.introspection_key {
        make_key(&platform, proof, Tenant::PLATFORM, Service::Chatbot, secret).await?;
    }
    if let Some(admin) = &wanted.admin {
        let keys = place.signing_keys(stores, &wanted.chatbot_url).await?;
        // What another keyring seals, no service opens.
        keys.reload(stores.signing_keys.as_ref()).await.map_err(failed)?;
        make_admin(&platform, proof, keys.keyring(), admin).await?;
    }
    Ok(true)
}

/// Makes the first super admin, with what was drawn before.
async fn make_admin(
    platform: &Platform,
    proof: &Proof<'_, Operates>,
    keyring: &Keyring,
    admin: &Admin,
) -> Result<(), String> {
    let people = &platform.stores.people;
    match people.by_address(&admin.email).await.map_err(failed)? {
        Some(known) if known.person.is_super_admin => return Ok(()),
        Some(_) => return Err(format!("{} is somebody's address, who is no super admin", admin.email)),
        None => {}
    }
    let entropy = platform.entropy.as_ref();
    let password = Password::new(&admin.password, &[]).map_err(|error| error.to_string())?;
    let secret = TotpSecret::parse(&admin.totp_secret).ok_or("the secret of the super admin is none")?;
    let at = platform.now();
    let id = PersonId::draw(at, entropy);
    let new = NewPerson {
        id,
        address: admin.email.clone(),
        name: name("First super admin")?,
        password: passwords::hash(&password, entropy)?,
        verified: true,
        asks: None,
        at,
    };
    let sealed = secret.seal(&id, keyring, entropy);
    let granted = grant::<CreateSuperAdmin, _>(proof, &Installation).map_err(failed)?;
    match people.create_first_super_admin(&granted, new, sealed).await.map_err(failed)? {
        Creation::Done(()) => Ok(()),
        other => Err(format!("the first super admin was not made: {other:?}")),
    }
}

/// What the first key of a service may do: of the Hub's everything; of the chatbot service's what a widget's
/// backend needs; of the platform's own what the Hub needs.
fn first_permissions(tenant: Tenant, service: Service) -> Permissions {
    match service {
        _ if tenant == Tenant::PLATFORM => Permissions::of_platform(service),
        Service::Hub => Permissions::all_of(service),
        Service::Chatbot => [Permission::TokenGeneration, Permission::ChatAccess].into_iter().collect(),
    }
}

/// Makes the first key of a service, with a secret that was drawn before.
async fn make_key(
    platform: &Platform,
    proof: &Proof<'_, Operates>,
    tenant: Tenant,
    service: Service,
    secret: &str,
) -> Result<(), String> {
    let digest = TokenDigest::of(secret);
    if platform.stores.key_index.find(service, &digest).await.map_err(failed)?.is_some() {
        return Ok(());
    }
    let at = platform.now();
    let permissions = first_permissions(tenant, service);
    let rights = Rights { permissions, expires_at: None, networks: Networks::ANY, rate_limit: None };
    let new = NewKey {
        id: KeyId::draw(at, platform.entropy.as_ref()),
        service,
        name: name("First key")?,
        rights: Ceiling::NONE.bound(rights).map_err(|excess| excess.to_string())?,
        secret: NewSecret { digest, prefix: secret.chars().take(12).collect() },
        at,
    };
    let granted = grant::<CreateKey, _>(proof, &tenant).map_err(failed)?;
    match platform.stores.keys.create(&granted, new, None).await.map_err(failed)? {
        Creation::Done(seq) => platform.validator.settle(seq).await.map_err(failed),
        other => Err(format!("the first key of the {service} service was not made: {other:?}")),
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}

fn named(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Reads such a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Bootstrap>, String> {
    let mut text = String::new();
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(path, &error)),
    }
    // The error of the parser may quote what stands there: a key.
    let found = serde_json::from_str(&text)
        .map_err(|error| format!("{}: not what `authctl` wrote (line {})", path.display(), error.line()))?;
    Ok(Some(found))
}

/// Durable when it answers, and a new file of its owner's alone: a draft that does not read is put away first, so
/// that nothing is written to what somebody else laid there.
fn write_draft(path: &Path, bootstrap: &Bootstrap) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = auth_store::create_private(path)?;
    file.write_all(serde_json::to_string_pretty(bootstrap)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    auth_store::sync_folder_of(path)
}
