//! What `up --with-demo-provider` runs beside the services: a provider of calendars that stands for Google and for
//! Microsoft, and an application of the first account that links them, all on this machine.

use crate::{
    arguments::{Demo, Place},
    bootstrap,
    operator::operator,
    place::{all, failed},
    up::bind,
};
use auth_core::{
    flow::{Calendars, Platform},
    id::{AccountId, UserId},
    model::{Email, Name, NewUser, ProviderName},
    policy::grant,
    port::{CreateUser, Creation},
    principal::Tenant,
    secret::PlainToken,
};
use calendar_providers::{Google, Microsoft, ProviderSettings};
use chatbot_service::settings::origin;
use demo_provider::{Application, ApplicationConfig, Config, Provider};
use hub_service::calendars::Settings;
use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whose calendars the application links.
const USER: &str = "alice@example.com";

/// Both, as long as it is kept.
pub(crate) struct Running {
    _provider: Provider,
    application: Application,
}

impl Running {
    /// Where to begin.
    pub(crate) fn origin(&self) -> &str {
        self.application.origin()
    }
}

/// Starts both, and opens calendars of the Hub that listens there.
pub(crate) async fn start(
    place: &Place,
    listen: &Demo,
    platform: &Platform,
    hub: SocketAddr,
) -> Result<(Calendars, Running), String> {
    let found = bootstrap::first_key(place)?;
    let (account, key) =
        found.ok_or("--with-demo-provider needs bootstrap.json, which holds a key of the Hub")?;
    let (_, provider) = bind(listen.demo_provider_listen)?;
    let (application_at, application) = bind(listen.demo_application_listen)?;
    let hub = origin(hub);
    let callback = |name: &str| format!("{hub}/oauth/{name}/callback");
    let (clock, entropy) = (Arc::clone(&platform.clock), Arc::clone(&platform.entropy));
    let mut config = Config::demo(clock, entropy, vec![callback("google"), callback("microsoft")]);
    let mut secret = [0; 24];
    platform.entropy.fill(&mut secret);
    config.client_secret = data_encoding::BASE64URL_NOPAD.encode(&secret);
    let secret = place.data_dir.join("demo-provider.secret");
    write_secret(&secret, &config.client_secret)?;
    let client_id = config.client_id.clone();
    let provider = Provider::start(provider, config).await?;
    let at = provider.origin().to_owned();
    let settings = Settings {
        public_url: hub.clone(),
        redirect_after: vec![format!("{}/", origin(application_at))],
        providers: providers(&client_id, &secret, &at)?,
    };
    let (clock, entropy) = (platform.clock.as_ref(), platform.entropy.as_ref());
    let calendars = settings.open(&place.hub_location(), &platform.stores, clock, entropy).await?;
    let config = ApplicationConfig {
        hub,
        key: PlainToken::new(key),
        account_id: account.to_string(),
        user_id: user_of(platform, account).await?.to_string(),
        providers: settings.providers.keys().map(ToString::to_string).collect(),
        provider_origins: vec![at],
        clock: Arc::clone(&platform.clock),
    };
    let application = Application::start(application, config).await?;
    Ok((calendars, Running { _provider: provider, application }))
}

/// The provider, as each of the two that it stands for.
fn providers(
    client_id: &str,
    secret: &Path,
    at: &str,
) -> Result<BTreeMap<ProviderName, ProviderSettings>, String> {
    let (client_id, client_secret_file, at) =
        (client_id.to_owned(), PathBuf::from(secret), Some(at.to_owned()));
    let microsoft = Microsoft {
        client_id: client_id.clone(),
        client_secret_file: client_secret_file.clone(),
        tenant: "organizations".to_owned(),
        at: at.clone(),
    };
    let google = Google { client_id, client_secret_file, at };
    let name = |text| ProviderName::parse(text).map_err(|error| error.to_string());
    Ok(BTreeMap::from([
        (name("google")?, ProviderSettings::Google(google)),
        (name("microsoft")?, ProviderSettings::Microsoft(microsoft)),
    ]))
}

fn write_secret(path: &Path, secret: &str) -> Result<(), String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(named(error)),
        _ => {}
    }
    let mut file = auth_store::create_private(path).map_err(named)?;
    file.write_all(secret.as_bytes()).map_err(named)
}

/// The user whose calendars are linked: made where there is none.
async fn user_of(platform: &Platform, account: AccountId) -> Result<UserId, String> {
    let (proof, users) = (operator()?, &platform.stores.users);
    let email = Email::parse(USER).map_err(|error| error.to_string())?;
    let known = all(|page| users.list(proof.scope(), page), |user| *user.id.as_bytes()).await?;
    if let Some(known) = known.iter().find(|user| user.account == account && user.email == email) {
        return Ok(known.id);
    }
    let tenant = Tenant { account, domain: None };
    let granted = grant::<CreateUser, _>(&proof, &tenant).map_err(failed)?;
    let id = UserId::draw(platform.now(), platform.entropy.as_ref());
    let name = Name::parse("Alice").map_err(|error| error.to_string())?;
    let new = NewUser { id, name, email, at: platform.now() };
    match users.create(&granted, new, None).await.map_err(failed)? {
        Creation::Done(()) => Ok(id),
        other => Err(format!("the user {USER} was not made: {other:?}")),
    }
}
