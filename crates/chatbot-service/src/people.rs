//! What people do with their logins: register, log in, carry on, log out, see their sessions, set a password.

use crate::{
    Chatbot,
    rules::{Anybody, LoggedIn as InSession},
    settings::Registration,
};
use auth_core::{
    credential::Password,
    error::{Denial, FlowError},
    flow::{LoggedIn, Registration as Newcomer, Tokens, Wanted, end_session, log_out, log_out_everywhere},
    id::{PersonId, SessionId},
    model::{Address, DomainName, Name, Session},
    policy::{Granted, OwnPerson, Proof},
    port::{Ends, Occasion, Register as ToRegister},
    service::Service as Kind,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, PageQuery, Path, Query},
    reply::{Accepted, Done, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logins, registrations and refreshes that one address may try a minute.
pub(crate) const TRIED_PER_MINUTE: u32 = 60;

/// Somebody who wants to register.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// What they will log in with.
    #[schemars(with = "String")]
    email: Address,
    /// 12 to 72 bytes, and not among those that are guessed first.
    password: String,
    #[schemars(with = "String")]
    name: Name,
    /// The domain that they want to be a member of: one of its owners approves, unless it is open.
    #[schemars(with = "Option<String>")]
    domain: Option<DomainName>,
}

/// The same for everybody.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Registered {
    /// `registered`.
    status: &'static str,
}

/// `POST /auth/register`.
pub struct Register;

impl Endpoint<Chatbot> for Register {
    type Auth = Anybody;
    type Input = Json<RegisterBody>;
    type Output = Accepted<Registered>;
    const SPEC: Spec = Spec::new(
        "register",
        Method::Post,
        "/auth/register",
        "Registers a person, where people do; says the same of an address that is taken.",
    )
    .audited("person.registered")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"email":"bob{new}@example.com","password":"violet tapir quietly","name":"Bob"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        chatbot.register(&who, body.email, body.name, &body.password, body.domain).await?;
        Ok(Accepted(Registered { status: "registered" }))
    }
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: String,
    /// The domain that it is for; by default the only one that the person belongs to.
    #[schemars(with = "Option<String>")]
    domain: Option<DomainName>,
    /// The service that will take the access tokens: `chatbot` by default, or `hub` (RFC 8693 §2.1).
    audience: Option<String>,
}

/// The tokens of a session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokensView {
    /// A JWT (RFC 9068).
    access_token: String,
    /// `bearer`.
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
    /// Good once, for the next ones.
    refresh_token: String,
}

impl TokensView {
    pub(crate) fn of(tokens: &Tokens, now: Timestamp) -> Self {
        Self {
            access_token: tokens.access.expose().to_owned(),
            token_type: "bearer",
            expires_in: tokens.expires_at.since(now).as_secs(),
            refresh_token: tokens.refresh.expose().to_owned(),
        }
    }
}

/// What a login is answered: the tokens of a session, or what is still asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LoginView {
    /// A session began.
    Begun(TokensView),
    /// The password is right, and the person has a second factor: `POST /auth/mfa/verify` takes it.
    SecondFactor {
        /// `true`.
        mfa_required: bool,
        /// Good for that, and for nothing else.
        mfa_token: String,
        /// In seconds.
        expires_in: u64,
        /// `totp`, `webauthn`, `recovery_code`.
        methods: Vec<&'static str>,
    },
}

/// `POST /auth/login`.
pub struct Login;

impl Endpoint<Chatbot> for Login {
    type Auth = Anybody;
    type Input = Json<LoginBody>;
    type Output = Shown<LoginView>;
    const SPEC: Spec = Spec::new(
        "login",
        Method::Post,
        "/auth/login",
        "Begins a session with address and password, or asks for the second factor.",
    )
    .audited("person.logged_in")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"email":"{email}","password":"{password}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let audience = match body.audience.as_deref() {
            None => Kind::Chatbot,
            Some(name) => {
                Kind::parse(name).ok_or_else(|| Problem::invalid("audience", "expected chatbot or hub"))?
            }
        };
        let wanted = Wanted { domain: body.domain, audience };
        let logged_in = chatbot.log_in(&who, &body.email, &body.password, &wanted).await?;
        let now = chatbot.platform().now();
        Ok(Shown(match logged_in {
            LoggedIn::Begun(tokens) => LoginView::Begun(TokensView::of(&tokens, now)),
            LoggedIn::SecondFactor { pending, expires_at, methods } => LoginView::SecondFactor {
                mfa_required: true,
                mfa_token: pending.expose().to_owned(),
                expires_in: expires_at.since(now).as_secs(),
                methods,
            },
        }))
    }
}

impl Chatbot {
    /// Registers somebody, where people do.
    pub(crate) async fn register(
        &self,
        who: &Proof<'_, Anybody>,
        address: Address,
        name: Name,
        password: &str,
        domain: Option<DomainName>,
    ) -> Result<(), Problem> {
        let registration = self.people.registration;
        if registration == Registration::Off {
            return Err(Problem::absent());
        }
        let known = [address.as_str(), name.as_str(), self.logins.keys.issuer().as_str()];
        let password = Password::new(password, &known);
        let password = password.map_err(|wrong| Problem::invalid("password", wrong))?;
        let wanted = Newcomer { address: address.clone(), name, password, domain };
        let granted = Granted::<ToRegister>::to_anybody(who);
        let occasion = self.logins.register(&self.platform, &granted, wanted).await?;
        if registration == Registration::Verified {
            self.write_to(address, occasion, who);
        }
        Ok(())
    }

    /// Logs somebody in. Whoever has the right password, but not yet shown the address to be theirs, gets a letter.
    pub(crate) async fn log_in(
        &self,
        who: &Proof<'_, Anybody>,
        email: &str,
        password: &str,
        wanted: &Wanted,
    ) -> Result<LoggedIn, Problem> {
        let logged_in = self.logins.log_in(&self.platform, who.origin(), email, password, wanted).await;
        if let Err(FlowError::Denied(Denial::Unverified)) = &logged_in
            && self.people.password_reset.is_on()
            && let Ok(address) = Address::parse(email)
        {
            // Not a link that confirms: this may be the password of whoever registered the address before its owner did.
            self.write_to(address, Occasion::Forgot, who);
        }
        Ok(logged_in?)
    }

    /// Sets another password of the caller, and ends all their other sessions, or all.
    pub(crate) async fn change_password(
        &self,
        who: &Proof<'_, InSession>,
        current: &str,
        new: &str,
        ends: Ends,
    ) -> Result<(), Problem> {
        let (platform, me) = (&self.platform, who.subject());
        let person = platform.stores.people.read(OwnPerson::of(me)).await?.ok_or_else(Problem::absent)?;
        let known = [person.address.as_str(), person.name.as_str(), self.logins.keys.issuer().as_str()];
        let new = Password::new(new, &known).map_err(|wrong| Problem::invalid("new_password", wrong))?;
        Ok(self.logins.change_password(platform, who, me, current, &new, ends).await?)
    }
}

/// A refresh token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

/// `POST /auth/refresh`.
pub struct Refresh;

impl Endpoint<Chatbot> for Refresh {
    type Auth = Anybody;
    type Input = Json<RefreshBody>;
    type Output = Shown<TokensView>;
    const SPEC: Spec = Spec::new(
        "refresh",
        Method::Post,
        "/auth/refresh",
        "The next tokens of a session; a refresh token that was used long ago ends it.",
    )
    .throttled(TRIED_PER_MINUTE * 10)
    .body(r#"{"refresh_token":"{refresh_token}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let tokens = chatbot.logins.refresh(platform, who.origin(), &body.refresh_token).await?;
        Ok(Shown(TokensView::of(&tokens, platform.now())))
    }
}

/// `POST /auth/logout`.
pub struct Logout;

impl Endpoint<Chatbot> for Logout {
    type Auth = InSession;
    type Input = ();
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "logout",
        Method::Post,
        "/auth/logout",
        "Ends this session: once answered, nobody accepts its tokens.",
    )
    .audited("person.session_ended");

    async fn call(chatbot: &Chatbot, who: Proof<'_, InSession>, (): ()) -> Result<Done, Problem> {
        log_out(chatbot.platform(), &who).await?;
        Ok(Done)
    }
}

/// `POST /auth/logout-all`.
pub struct LogoutAll;

impl Endpoint<Chatbot> for LogoutAll {
    type Auth = InSession;
    type Input = ();
    type Output = Done;
    const SPEC: Spec =
        Spec::new("logout_all", Method::Post, "/auth/logout-all", "Ends all sessions of the person.")
            .audited("person.sessions_ended");

    async fn call(chatbot: &Chatbot, who: Proof<'_, InSession>, (): ()) -> Result<Done, Problem> {
        log_out_everywhere(chatbot.platform(), &who).await?;
        Ok(Done)
    }
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionView {
    #[schemars(with = "String")]
    id: SessionId,
    /// Whether it is the one that asks.
    current: bool,
    #[schemars(with = "Option<String>")]
    domain: Option<DomainName>,
    audience: &'static str,
    role: Option<&'static str>,
    /// How the person logged in: `pwd`, or `mfa`.
    acr: &'static str,
    /// From where.
    source: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    refreshed_at: Option<Timestamp>,
    #[schemars(with = "String")]
    expires_at: Timestamp,
}

impl SessionView {
    fn of(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            current: session.id == current,
            domain: session.domain,
            audience: session.audience.name(),
            role: session.role.map(|role| role.name()),
            acr: session.amr.acr(),
            source: session.source,
            created_at: session.created_at,
            refreshed_at: session.refreshed_at,
            expires_at: session.expires_at,
        }
    }
}

/// `GET /auth/sessions`.
pub struct Sessions;

impl Endpoint<Chatbot> for Sessions {
    type Auth = InSession;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<SessionView>>;
    const SPEC: Spec = Spec::get("session_list", "/auth/sessions", "The person's sessions, newest first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, InSession>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let (platform, me) = (chatbot.platform(), who.subject());
        let found = platform.stores.sessions.list(OwnPerson::of(me), platform.now(), page).await?;
        let view = |session| SessionView::of(session, me.session);
        Ok(Shown(Listed::new(found, limit, |session: &Session| session.id.as_bytes().to_vec(), view)))
    }
}

/// `DELETE /auth/sessions/{id}`.
pub struct EndSession;

impl Endpoint<Chatbot> for EndSession {
    type Auth = InSession;
    type Input = Path<SessionId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "session_end",
        Method::Delete,
        "/auth/sessions/{id}",
        "Ends one of the person's sessions: once answered, nobody accepts its tokens.",
    )
    .audited("person.session_ended");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, InSession>,
        Path(id): Self::Input,
    ) -> Result<Done, Problem> {
        end_session(chatbot.platform(), &who, OwnPerson::of(who.subject()), id).await?;
        Ok(Done)
    }
}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Me {
    #[schemars(with = "String")]
    id: PersonId,
    #[schemars(with = "String")]
    email: Address,
    #[schemars(with = "String")]
    name: Name,
    /// The role in the session's domain, or on the platform.
    role: Option<&'static str>,
    /// How the person logged in: `pwd`, or `mfa`.
    acr: &'static str,
    #[schemars(with = "String")]
    session_id: SessionId,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

/// `GET /auth/me`.
pub struct Own;

impl Endpoint<Chatbot> for Own {
    type Auth = InSession;
    type Input = ();
    type Output = Shown<Me>;
    const SPEC: Spec = Spec::get("me", "/auth/me", "Who asks.");

    async fn call(chatbot: &Chatbot, who: Proof<'_, InSession>, (): ()) -> Result<Self::Output, Problem> {
        let me = who.subject();
        let person = chatbot.platform().stores.people.read(OwnPerson::of(me)).await?;
        let person = person.ok_or_else(Problem::absent)?;
        Ok(Shown(Me {
            id: person.id,
            email: person.address,
            name: person.name,
            role: me.role.map(|role| role.name()),
            acr: me.amr.acr(),
            session_id: me.session,
            created_at: person.created_at,
        }))
    }
}

/// Another password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    current_password: String,
    /// 12 to 72 bytes, and not among those that are guessed first.
    new_password: String,
}

/// `POST /auth/password/change`.
pub struct ChangePassword;

impl Endpoint<Chatbot> for ChangePassword {
    type Auth = InSession;
    type Input = Json<PasswordBody>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "password_change",
        Method::Post,
        "/auth/password/change",
        "Sets another password, and ends all other sessions of the person.",
    )
    .audited("person.password_changed")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"current_password":"{password}","new_password":"quietly violet tapirs"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, InSession>,
        Json(body): Self::Input,
    ) -> Result<Done, Problem> {
        chatbot.change_password(&who, &body.current_password, &body.new_password, Ends::Others).await?;
        Ok(Done)
    }
}
