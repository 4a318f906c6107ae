//! What can be asked of the program.

use auth_core::{
    audit::Head,
    id::{AccountId, KeyId},
    jwt::Algorithm,
    model::{Address, DomainName, Email, Name, WebOrigin},
    policy::Permission,
    service::Service,
    time::Timestamp,
};
use chatbot_service::settings::Registration;
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
};

/// Runs and manages the authentication of the Hub and the chatbot service.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Prints JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the data is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The folder of the data
    #[arg(long, global = true, value_name = "DIR", env = "AUTHCTL_DATA_DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// The store: sqlite://PATH or postgres://USER@HOST/DATABASE; by default auth.db in the folder of the data
    #[arg(long, global = true, value_name = "URL", env = "AUTHCTL_STORE", hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// The file of the database's password, where the URL has none
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_STORE_PASSWORD_FILE")]
    pub(crate) store_password_file: Option<PathBuf>,
    /// What is ephemeral, apart from the store: redis://HOST, redis+sentinel://HOST,HOST/NAME or redis+cluster://HOST,HOST
    #[arg(long, global = true, value_name = "URL", env = "AUTHCTL_REDIS", hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// The file of Redis's password, where the URL has none
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_REDIS_PASSWORD_FILE")]
    pub(crate) redis_password_file: Option<PathBuf>,
    /// The file of the audit chain's key; by default audit.key beside the store, or in the folder of the data
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_AUDIT_KEY")]
    pub(crate) audit_key: Option<PathBuf>,
    /// The file that audit heads are anchored in; by default audit.anchor beside the store, or in the folder of the data
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_AUDIT_ANCHOR")]
    pub(crate) audit_anchor: Option<PathBuf>,
    /// The file of the keys that seal the chatbot service's secrets; by default chatbot.keyring beside the store, or in the folder of the data
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_KEYRING")]
    pub(crate) keyring: Option<PathBuf>,
    /// The file of the keys that seal the tokens of calendars; by default hub.keyring beside the store, or in the folder of the data
    #[arg(long, global = true, value_name = "FILE", env = "AUTHCTL_HUB_KEYRING")]
    pub(crate) hub_keyring: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs both services until Ctrl-C; makes a first account, domain, keys and super admin where there are none
    Up(Up),
    /// Makes a first account, domain, keys and super admin, as `up` does, and ends
    Init(Listen),
    /// API keys of both services
    #[command(subcommand)]
    Keys(Keys),
    /// Accounts of the Hub
    #[command(subcommand)]
    Accounts(Accounts),
    /// Domains of the chatbot service
    #[command(subcommand)]
    Domains(Domains),
    /// People who log in: who administers the platform, and who is suspended
    #[command(subcommand)]
    People(People),
    /// The keys that sign access tokens of people
    #[command(subcommand)]
    SigningKeys(SigningKeys),
    /// The keys that seal the tokens of calendars' providers
    #[command(subcommand)]
    Vault(Vault),
    /// Shows the code that an authenticator would show now, whose secret it reads from standard input
    Totp,
    /// Takes over what the earlier system held
    #[command(subcommand)]
    Import(Import),
    /// The audit trail
    #[command(subcommand)]
    Audit(Audit),
    /// What routes require
    #[command(subcommand)]
    Policy(Policy),
    /// Brings the store's tables to this version, as each start does, and gives roles of Postgres their rights
    Migrate(Migrate),
}

/// The roles that the services have on Postgres.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// On Postgres: the role that the Hub connects as, to be given what the Hub does there and no more
    #[arg(long, value_name = "ROLE", requires = "chatbot_role")]
    pub(crate) hub_role: Option<String>,
    /// On Postgres: the role that the chatbot service connects as
    #[arg(long, value_name = "ROLE", requires = "hub_role")]
    pub(crate) chatbot_role: Option<String>,
}

/// What `up` runs.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// Whether people register themselves: off, verified (their link is in the log), or open (for a trial)
    #[arg(long, value_name = "HOW", default_value = "off", value_parser = registration)]
    pub(crate) registration: Registration,
    #[command(flatten)]
    pub(crate) demo: Demo,
}

/// A provider of calendars for a trial.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Links calendars of a provider on this machine that stands for Google and Microsoft, with an application to click through
    #[arg(long)]
    pub(crate) with_demo_provider: bool,
    /// Address and port of that provider
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub(crate) demo_provider_listen: SocketAddr,
    /// Address and port of that application
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8091")]
    pub(crate) demo_application_listen: SocketAddr,
}

fn registration(text: &str) -> Result<Registration, String> {
    Registration::parse(text).ok_or_else(|| "expected off, verified or open".to_owned())
}

/// Where the services listen.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address and port of the Hub; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = hub_service::settings::LISTEN)]
    pub(crate) hub_listen: SocketAddr,
    /// Address and port of the chatbot service
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = chatbot_service::settings::LISTEN)]
    pub(crate) chatbot_listen: SocketAddr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Makes a key, and shows its secret this once
    Create(KeyCreate),
    /// Makes many keys of one kind, for measurements, and writes their secrets to a file, one a line
    Generate(KeysGenerate),
    /// Lists keys, newest first
    List {
        /// Only those of this service
        #[arg(long, value_parser = service)]
        service: Option<Service>,
        /// Only those of this account
        #[arg(long)]
        account: Option<AccountId>,
        /// Only those of this domain
        #[arg(long)]
        domain: Option<DomainName>,
    },
    /// Gives a key a new secret, and shows it this once
    Rotate {
        /// The key
        id: KeyId,
        /// For how long the old secret goes on working; at most 7 days
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        overlap_seconds: u64,
    },
    /// Ends a key and all that it minted; every process refuses it when this has answered
    Revoke {
        /// The key
        id: KeyId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeysGenerate {
    /// How many
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: NonZeroU32,
    /// The file of the secrets; it must not be there yet, and is made for its owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) each: KeyCreate,
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreate {
    /// The service that accepts it
    #[arg(long, value_parser = service)]
    pub(crate) service: Service,
    /// The account that owns it: for the Hub
    #[arg(long, value_name = "ID", required_unless_present_any = ["domain", "platform"], conflicts_with = "domain")]
    pub(crate) account: Option<AccountId>,
    /// The domain that owns it: for the chatbot service
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<DomainName>,
    /// It is a service's of the platform itself, such as the Hub's, by which it asks in which state tokens are (`introspect`)
    #[arg(long, conflicts_with_all = ["account", "domain"])]
    pub(crate) platform: bool,
    /// What people call it
    #[arg(long)]
    pub(crate) name: Name,
    /// What it may do; give it once for each
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = permission, required = true)]
    pub(crate) permissions: Vec<Permission>,
    /// When it ends (RFC 3339); never, if not given
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<Timestamp>,
    /// From where it may be used; give it once for each; from anywhere, if not given
    #[arg(long = "network", value_name = "CIDR")]
    pub(crate) networks: Vec<IpNet>,
    /// Requests a minute; without limit, if not given
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rate_limit: Option<NonZeroU32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Accounts {
    /// Makes an account
    Create {
        /// What people call it
        name: Name,
        /// Whom to write to
        #[arg(long, value_name = "EMAIL")]
        contact: Option<Email>,
    },
    /// Lists accounts, newest first
    List,
    /// No credential of the account or of its domains is accepted any more
    Suspend {
        /// The account
        id: AccountId,
    },
    /// They are accepted again
    Revive {
        /// The account
        id: AccountId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Domains {
    /// Makes a domain
    Create {
        /// Its name
        name: DomainName,
        /// The account that owns it
        #[arg(long, value_name = "ID")]
        account: AccountId,
    },
    /// Lists domains, newest first
    List,
    /// Says which pages may open a widget session: these and no others
    SetOrigins {
        /// The domain
        name: DomainName,
        /// Origins, such as `https://www.example.com`; none closes the widget
        origins: Vec<WebOrigin>,
    },
    /// No credential of the domain is accepted any more
    Suspend {
        /// The domain
        name: DomainName,
    },
    /// They are accepted again
    Revive {
        /// The domain
        name: DomainName,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// Lists people with their second factors, those who registered last first
    List,
    /// Makes a person a super admin, who needs a second factor before the role allows anything
    Promote {
        /// The address that they log in with
        email: Address,
        /// Also where nobody has shown the address to be theirs
        #[arg(long)]
        unverified: bool,
    },
    /// Makes a super admin none; refused for the last who is not suspended
    Demote {
        /// The address that they log in with
        email: Address,
    },
    /// Ends all sessions of a person, who cannot log in any more; refused for the last super admin
    Suspend {
        /// The address that they log in with
        email: Address,
    },
    /// They can log in again
    Revive {
        /// The address that they log in with
        email: Address,
    },
    /// Ends all sessions of a person, and every login that has yet to begin one; they may log in anew
    EndSessions {
        /// The address that they log in with
        email: Address,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeys {
    /// Lists those that are kept, newest first
    List,
    /// Makes the next one: it is published, signs some minutes later, and older tokens are taken until their end
    Rotate {
        /// What it signs with: EdDSA, ES256 or RS256
        #[arg(long, default_value_t)]
        algorithm: Algorithm,
        /// It signs at once, and no token of an older key is taken any more: for a key that is in the wrong hands
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Seals everything with the newest key of the keyring, while services run; broken off, it is run again and goes on
    Rekey,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// API keys, by their SHA-256: callers go on with the keys that they have
    #[command(long_about = KEY_IMPORT)]
    Keys(KeyImport),
    /// People, by their addresses and bcrypt hashes: they log in with the passwords that they have
    #[command(long_about = PEOPLE_IMPORT)]
    People(PeopleImport),
}

const KEY_IMPORT: &str = "API keys, by their SHA-256: callers go on with the keys that they have

The file is CSV with a header, or one JSON object a line (.jsonl). Columns:
  key_hash     SHA-256 of the key: 64 hexadecimal digits
  key_prefix   the first 8 characters of the key
  permissions  names, separated by spaces, commas or semicolons; or a JSON array
  name         what people call it (optional)
  expires_at   RFC 3339, UTC where no offset is given (optional; empty is never)
  service      hub or chatbot (optional: chatbot where a domain is given)
  account_id   the account that owns a key of the Hub
  domain       the domain that owns a key of the chatbot service
  is_active, revoked   true or false (optional): what is over is left out
Of other columns, id, created_at, updated_at and last_used_at are not read; any more must be named by
--ignore, since a column that nobody reads might be a restriction that nobody keeps.
A line that cannot be taken is refused with its reason, the others are imported, and the program ends with 1.";

#[derive(Debug, Args)]
pub(crate) struct KeyImport {
    /// The file: .csv or .jsonl
    pub(crate) file: PathBuf,
    /// Checks everything, and writes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The account of lines that name none
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// The domain of lines that name none
    #[arg(long, value_name = "NAME", conflicts_with = "account")]
    pub(crate) domain: Option<DomainName>,
    /// A column that need not be read; give it once for each
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
}

const PEOPLE_IMPORT: &str = "People, by their addresses and bcrypt hashes: they log in with the passwords that they have

The file is CSV with a header, or one JSON object a line (.jsonl). Columns:
  email          the address that they log in with
  password_hash  bcrypt, $2a$, $2b$ or $2y$, of a cost between 4 and 14: made anew at a login where the cost is low
  name           what people call them (optional: what stands before the @)
  is_verified    true or false (optional: true): whether the address is known to be theirs
  is_active      true or false (optional: true): who was suspended is left out
Of other columns, id, created_at, updated_at and last_login_at are not read; any more must be named by
--ignore, since a column that nobody reads might be a restriction that nobody keeps. Nobody becomes a member of
a domain by this, nor an administrator.
Whoever has an address that is known stays as they are. A line that cannot be taken is refused with its reason, the
others are imported, and the program ends with 1.";

#[derive(Debug, Args)]
pub(crate) struct PeopleImport {
    /// The file: .csv or .jsonl
    pub(crate) file: PathBuf,
    /// Checks everything, and writes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A column that need not be read; give it once for each
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Lists events, newest first
    List(AuditList),
    /// Checks the whole trail against its key and its anchor
    Verify {
        /// A head that was noted elsewhere, such as in the log, as `NUMBER HASH`; give it once for each
        #[arg(long = "head", value_name = "HEAD", value_parser = head)]
        heads: Vec<Head>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditList {
    /// Not before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// Before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<Timestamp>,
    /// Exactly this actor, such as operator or key:ID
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Exactly this action, such as key.created
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Events that name this identifier
    #[arg(long, value_name = "ID")]
    pub(crate) target: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Says which requirement applies to a request, and why the answer would be what it is
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The method, such as GET
    pub(crate) method: String,
    /// The path, such as /calls
    pub(crate) path: String,
    /// Only of this service; of both, if not given
    #[arg(long, value_parser = service)]
    pub(crate) service: Option<Service>,
    /// A credential that the request would carry; other users of the machine may see it here
    #[arg(long, value_name = "CREDENTIAL", conflicts_with = "key_file")]
    pub(crate) key: Option<String>,
    /// A file that holds the credential; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The address that the request would come from
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
}

fn service(name: &str) -> Result<Service, String> {
    Service::parse(name).ok_or_else(|| "expected hub or chatbot".to_owned())
}

fn permission(name: &str) -> Result<Permission, String> {
    let known = || Permission::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    Permission::parse(name).ok_or_else(|| format!("expected one of {}", known()))
}

fn head(text: &str) -> Result<Head, String> {
    Head::from_anchor(text).ok_or_else(|| "expected a number and a hash of 64 hexadecimal digits".to_owned())
}
