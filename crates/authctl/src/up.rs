//! `up`: both services in one process.

use crate::{
    arguments::{Place, Up},
    bootstrap::{self, Found, url},
    demo,
    output::{Report, print},
    place::{failed, platform},
};
use auth_core::{flow::Platform, jwt::SigningKeys, port::Stores, service::Service};
use auth_web::{
    App, log, serve,
    system::{OsEntropy, SystemClock},
};
use chatbot_service::{
    Chatbot,
    issuer::Tokens,
    mail::{Page, ToLog},
    responder::Responder,
    settings::{People, Registration, origin},
};
use hub_service::{
    Hub,
    settings::{Billing, relying_party},
};
use serde::Serialize;
use std::{
    io::IsTerminal as _,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tokio::sync::watch;

pub(crate) async fn run(place: &Place, wanted: Up, json: bool) -> Result<(), String> {
    let Up { listen, registration, demo } = wanted;
    log::start(std::io::stderr().is_terminal());
    let stop = serve::stop_signal().map_err(|error| error.to_string())?;
    // A taken port is known before anything is made.
    let (hub_at, hub) = bind(listen.hub_listen)?;
    let (chatbot_at, chatbot) = bind(listen.chatbot_listen)?;
    bootstrap::make_folder(&place.data_dir)?;
    let stores = place.open_or_make().await?;
    let (hub_url, chatbot_url) = (url(hub_at), url(chatbot_at));
    let found = bootstrap::ensure(place, &stores, &hub_url, &chatbot_url).await?;
    let mut started = Started {
        hub_url,
        chatbot_url,
        store: place.location().url.to_string(),
        bootstrap: matches!(found, Found::File { .. }).then(|| place.bootstrap_file().display().to_string()),
        fresh: matches!(found, Found::File { fresh: true }),
        application: None,
    };
    let hub_platform = platform(Service::Hub, &stores);
    let (calendars, demo) = match demo.with_demo_provider {
        true => demo::start(place, &demo, &hub_platform, hub_at)
            .await
            .map(|(one, other)| (Some(one), Some(other)))?,
        false => (None, None),
    };
    let issuer = origin(chatbot_at);
    let keys = place.signing_keys(&stores, &issuer).await?;
    let relying = match bootstrap::introspection_key(place)? {
        Some(key) => Some(relying_party(&started.chatbot_url, Some(&issuer), key)?),
        None => None,
    };
    let hub_platform = match relying {
        Some(issuer) => {
            let Platform { stores, clock, entropy, .. } = hub_platform;
            Platform::relying(Service::Hub, stores, clock, entropy, Arc::new(issuer))
        }
        None => hub_platform,
    };
    let hub_service = Hub::new(hub_platform, Billing::default().tariff());
    let hub_service = match calendars {
        Some(calendars) => hub_service.linking(calendars),
        None => hub_service,
    };
    let services = services(&stores, (keys, registration), hub_service, (hub, chatbot), stop).await?;
    started.application = demo.as_ref().map(|demo| demo.origin().to_owned());
    print(json, &started)?;
    let served = services.await.map_err(|error| error.to_string());
    drop(demo);
    served
}

/// A listener, and where it listens: port 0 is any that is free.
pub(crate) fn bind(address: SocketAddr) -> Result<(SocketAddr, TcpListener), String> {
    let listener = serve::bind(address).map_err(|error| error.to_string())?;
    Ok((listener.local_addr().map_err(|error| error.to_string())?, listener))
}

/// What serves until told to stop; where one service cannot go on, neither does the other.
async fn services(
    stores: &Stores,
    (keys, registration): (SigningKeys, Registration),
    hub_service: Hub,
    (hub, chatbot): (TcpListener, TcpListener),
    stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = std::io::Result<()>>, String> {
    let underway = hub_service.underway();
    let hub_app = App::new(hub_service, Vec::new());
    let platform = (stores.clone(), Arc::new(SystemClock::start()) as _, Arc::new(OsEntropy) as _);
    // Its letters are in its log: a service of its own has a mail server.
    let post = ToLog { page: Page::parse(keys.issuer().as_str(), true)? };
    let people = People { registration, ..People::default() };
    let (settings, responder) = ((Tokens::default(), people), Responder::BuiltIn);
    let chatbot_app = Chatbot::open(platform, keys, settings, responder, Some(Arc::new(post))).await;
    let chatbot_app = chatbot_app.map_err(failed)?;
    let outbox = chatbot_app.outbox();
    let chatbot_app = App::new(chatbot_app, Vec::new());
    let hub = serve::serve(Arc::new(hub_app), hub, 0, stop.clone());
    let chatbot = serve::serve(Arc::new(chatbot_app), chatbot, 0, stop);
    Ok(async move {
        let served = tokio::try_join!(hub, chatbot).map(|_| ());
        outbox.finish().await;
        if let Some(underway) = underway {
            underway.finish().await;
        }
        served
    })
}

#[derive(Serialize)]
struct Started {
    hub_url: String,
    chatbot_url: String,
    store: String,
    /// The file with the first keys, if it is there.
    bootstrap: Option<String>,
    /// It was made by this start.
    fresh: bool,
    /// Where calendars of the demo provider are linked, if it runs.
    application: Option<String>,
}

impl Report for Started {
    fn text(&self) -> String {
        let Self { hub_url, chatbot_url, store, bootstrap, fresh, application } = self;
        let mut text =
            format!("Hub              {hub_url}\nchatbot service  {chatbot_url}\nstore            {store}\n");
        if let Some(application) = application {
            text.push_str(&format!("calendars        {application} (a demo: open it in a browser)\n"));
        }
        let Some(file) = bootstrap else {
            text.push_str(
                "\nThe store is in use; `authctl keys create` makes keys.\nCtrl-C stops both services.",
            );
            return text;
        };
        let quoted = format!("'{}'", file.replace('\'', r"'\''"));
        let key = |field| format!(r#"$(sed -n 's/.*"{field}": *"\([^"]*\)".*/\1/p' {quoted})"#);
        let (hub_key, domain_key) = (key("hub_api_key"), key("domain_api_key"));
        let made = if *fresh { "; only you can read it" } else { "" };
        text.push_str(&format!(
            r#"first keys       {file}{made}

Ask the Hub whose a domain is:
  curl -H "Authorization: Bearer {hub_key}" {hub_url}/domain/example.com/account
Ask the chatbot:
  curl -H "Authorization: Bearer {domain_key}" -H 'Content-Type: application/json' {chatbot_url}/query/ -d '{{"question":"When are you open?","domain":"example.com"}}'
See every route:
  curl {hub_url}/auth/routes

Ctrl-C stops both services."#
        ));
        text
    }
}
