//! Passkeys as second factors, in the JSON that browsers make of them (WebAuthn Level 3 §5.1.8 to §5.1.10).

use crate::{
    Chatbot,
    people::{TRIED_PER_MINUTE, TokensView},
    rules::{Anybody, JustLoggedIn, JustShown, WithFactor},
};
use auth_core::{
    error::FlowError,
    flow::{NewPasskeyQuestion, PasskeyQuestion, remove_passkey},
    id::PasskeyId,
    model::PasskeyName,
    policy::Proof,
    time::Timestamp,
    webauthn::{Algorithm, Assertion, Attestation},
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, Path},
    reply::{Done, Shown},
};
use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one type of credentials.
const KIND: &str = "public-key";
/// Whom the authenticator has to verify, and whom browsers ask for.
const REQUIRED: &str = "required";

/// Bytes, in base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        bytes.map(Self).map_err(|_| "expected base64url without padding")
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// What a browser says of a credential besides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered<R> {
    #[schemars(with = "String")]
    id: Bytes,
    #[schemars(with = "String")]
    raw_id: Bytes,
    /// `public-key`.
    #[serde(rename = "type")]
    kind: String,
    /// What the authenticator answered.
    response: R,
}

impl<R> Answered<R> {
    /// Its identifier and what was answered.
    fn parts(self, field: &'static str) -> Result<(Vec<u8>, R), Problem> {
        if self.kind == KIND && self.id == self.raw_id {
            Ok((self.id.0, self.response))
        } else {
            Err(Problem::invalid(field, "expected a credential of type public-key, with one identifier"))
        }
    }
}

/// What an authenticator answers that made a passkey. Other members are not read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    #[schemars(with = "String")]
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    #[schemars(with = "String")]
    attestation_object: Bytes,
}

/// What an authenticator answers that shows a passkey. Other members are not read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownBy {
    #[schemars(with = "String")]
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    #[schemars(with = "String")]
    authenticator_data: Bytes,
    #[schemars(with = "String")]
    signature: Bytes,
    #[schemars(with = "Option<String>")]
    user_handle: Option<Bytes>,
}

/// A passkey that is shown: `AuthenticationResponseJSON`.
pub type ShownPasskey = Answered<ShownBy>;

impl ShownPasskey {
    /// What is judged of it.
    pub(crate) fn assertion(self) -> Result<Assertion, Problem> {
        let (id, shown) = self.parts("webauthn")?;
        Ok(Assertion {
            id,
            client_data: shown.client_data.0,
            data: shown.authenticator_data.0,
            signature: shown.signature.0,
            user: shown.user_handle.map(|user| user.0),
        })
    }
}

/// A passkey that was made: `RegistrationResponseJSON`.
pub type MadePasskey = Answered<Made>;

impl MadePasskey {
    /// What is judged of it.
    pub(crate) fn attestation(self) -> Result<Attestation, Problem> {
        let (id, made) = self.parts("credential")?;
        Ok(Attestation { id, client_data: made.client_data.0, object: made.attestation_object.0 })
    }
}

/// A credential that the person has.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Known {
    /// `public-key`.
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

impl Known {
    fn all(ids: &[Vec<u8>]) -> Vec<Self> {
        ids.iter().map(|id| Self { kind: KIND, id: text(id) }).collect()
    }
}

/// How long a browser may wait, in milliseconds.
fn timeout(expires_at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(expires_at.since(now).as_millis()).unwrap_or(u64::MAX)
}

/// The relying party.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SiteView {
    id: String,
    name: String,
}

/// Whose a passkey will be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    id: String,
    name: String,
    display_name: String,
}

/// An algorithm that is taken.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Offered {
    /// `public-key`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its number in COSE.
    alg: i64,
}

/// Which authenticators are taken.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    resident_key: &'static str,
    user_verification: &'static str,
}

/// What `navigator.credentials.create` takes: `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreationView {
    rp: SiteView,
    user: UserView,
    challenge: String,
    pub_key_cred_params: Vec<Offered>,
    /// In milliseconds.
    timeout: u64,
    exclude_credentials: Vec<Known>,
    authenticator_selection: Wanted,
    attestation: &'static str,
}

impl CreationView {
    pub(crate) fn of(question: NewPasskeyQuestion, now: Timestamp) -> Self {
        let NewPasskeyQuestion { challenge, expires_at, site, person, address, name, known } = question;
        Self {
            rp: SiteView { id: site.clone(), name: site },
            user: UserView {
                id: text(person.as_bytes()),
                name: address.as_str().to_owned(),
                display_name: name.as_str().to_owned(),
            },
            challenge: challenge.as_str().to_owned(),
            pub_key_cred_params: Algorithm::ALL
                .map(|offered| Offered { kind: KIND, alg: offered.number() })
                .into(),
            timeout: timeout(expires_at, now),
            exclude_credentials: Known::all(&known),
            authenticator_selection: Wanted { resident_key: "preferred", user_verification: REQUIRED },
            attestation: "none",
        }
    }
}

/// What `navigator.credentials.get` takes: `PublicKeyCredentialRequestOptionsJSON`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    challenge: String,
    /// In milliseconds.
    timeout: u64,
    rp_id: String,
    allow_credentials: Vec<Known>,
    user_verification: &'static str,
}

impl RequestView {
    pub(crate) fn of(question: &PasskeyQuestion, now: Timestamp) -> Self {
        Self {
            challenge: question.challenge.as_str().to_owned(),
            timeout: timeout(question.expires_at, now),
            rp_id: question.site.clone(),
            allow_credentials: Known::all(&question.known),
            user_verification: REQUIRED,
        }
    }
}

/// `POST /auth/mfa/webauthn/register/start`.
pub struct RegisterStart;

impl Endpoint<Chatbot> for RegisterStart {
    type Auth = JustLoggedIn;
    type Input = ();
    type Output = Shown<CreationView>;
    const SPEC: Spec = Spec::new(
        "mfa_webauthn_register_start",
        Method::Post,
        "/auth/mfa/webauthn/register/start",
        "Begins to register a passkey: what the browser asks an authenticator for.",
    )
    .throttled(TRIED_PER_MINUTE);

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustLoggedIn>, (): ()) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let question = chatbot.logins.begin_passkey(platform, who.subject()).await?;
        Ok(Shown(CreationView::of(question, platform.now())))
    }
}

/// A new passkey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// What to call it.
    #[schemars(with = "String")]
    name: PasskeyName,
    /// What the browser answered: `RegistrationResponseJSON`.
    credential: MadePasskey,
}

/// `POST /auth/mfa/webauthn/register/finish`.
pub struct RegisterFinish;

impl Endpoint<Chatbot> for RegisterFinish {
    type Auth = JustLoggedIn;
    type Input = Json<RegisterBody>;
    type Output = Shown<TokensView>;
    const SPEC: Spec = Spec::new(
        "mfa_webauthn_register_finish",
        Method::Post,
        "/auth/mfa/webauthn/register/finish",
        "Makes the passkey a factor: all sessions of the person end, and one begins that it has proved.",
    )
    .audited("person.factor_enrolled")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"name":"A telephone","credential":{passkey}}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustLoggedIn>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (platform, me) = (chatbot.platform(), who.subject());
        let answer = body.credential.attestation()?;
        let tokens = chatbot.logins.finish_passkey(platform, who.origin(), me, body.name, &answer).await?;
        Ok(Shown(TokensView::of(&tokens, platform.now())))
    }
}

/// A login that waits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PendingBody {
    /// From the answer of the login.
    mfa_token: String,
}

/// `POST /auth/mfa/webauthn/challenge`.
pub struct Challenge;

impl Endpoint<Chatbot> for Challenge {
    type Auth = Anybody;
    type Input = Json<PendingBody>;
    type Output = Shown<RequestView>;
    const SPEC: Spec = Spec::new(
        "mfa_webauthn_challenge",
        Method::Post,
        "/auth/mfa/webauthn/challenge",
        "Asks for a passkey of a login that waits: what the browser asks an authenticator for.",
    )
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"mfa_token":"{mfa_token}"}"#);

    async fn call(
        chatbot: &Chatbot,
        _: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let question = chatbot.logins.ask_passkey(platform, &body.mfa_token).await?;
        Ok(Shown(RequestView::of(&question, platform.now())))
    }
}

/// `POST /auth/mfa/webauthn/step-up/challenge`.
pub struct StepUpChallenge;

impl Endpoint<Chatbot> for StepUpChallenge {
    type Auth = WithFactor;
    type Input = ();
    type Output = Shown<RequestView>;
    const SPEC: Spec = Spec::new(
        "mfa_webauthn_step_up_challenge",
        Method::Post,
        "/auth/mfa/webauthn/step-up/challenge",
        "Asks for a passkey of the person, to prove them anew in another session.",
    )
    .throttled(TRIED_PER_MINUTE);

    async fn call(chatbot: &Chatbot, who: Proof<'_, WithFactor>, (): ()) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let asked = chatbot.logins.ask_passkey_anew(platform, who.subject()).await?;
        let nothing = || FlowError::Conflict("there is no passkey to show".to_owned());
        let question = asked.ok_or_else(nothing)?;
        Ok(Shown(RequestView::of(&question, platform.now())))
    }
}

/// `DELETE /auth/mfa/webauthn/{id}`.
pub struct Remove;

impl Endpoint<Chatbot> for Remove {
    type Auth = JustShown;
    type Input = Path<PasskeyId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "mfa_webauthn_remove",
        Method::Delete,
        "/auth/mfa/webauthn/{id}",
        "Removes a passkey, with the recovery codes if it was the last factor, and ends all sessions of the person.",
    )
    .audited("person.factor_removed");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustShown>,
        Path(id): Self::Input,
    ) -> Result<Done, Problem> {
        remove_passkey(chatbot.platform(), &who, who.subject(), id).await?;
        Ok(Done)
    }
}
