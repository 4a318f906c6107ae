//! Temporary access tokens: generated, validated, listed, revoked.

use crate::{
    Chatbot,
    rules::{TokenKeepers, Tokens},
};
use auth_core::{
    credential::{Form, classify},
    flow::{TokenOrder, mint_token, revoke_token},
    id::TokenId,
    model::{Domain, DomainName, Language, Name, Token},
    policy::{Granted, Proof},
    port::MintToken,
    principal::TokenKind,
    secret::TokenDigest,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    reply::{Done, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DEFAULT_HOURS: u32 = 24;
const MOST_HOURS: u32 = 168;
const ANONYMOUS: &str = "anonymous";

/// A token to be generated.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct GenerateBody {
    /// Whom it is for; `anonymous` becomes `<domain>_anonymous`.
    #[schemars(with = "String")]
    username: Name,
    #[schemars(with = "Option<String>")]
    language: Option<Language>,
    /// 1 to 168; by default 24.
    expires_in_hours: Option<u32>,
}

/// A token, shown this once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generated {
    /// The token.
    token: String,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    #[schemars(with = "String")]
    domain: DomainName,
    #[schemars(with = "String")]
    username: Name,
}

/// `POST /auth/api/v1/tokens/generate`.
pub struct Generate;

impl Endpoint<Chatbot> for Generate {
    type Auth = Tokens;
    type Input = (Idempotency, Json<GenerateBody>);
    type Output = Shown<Generated>;
    const SPEC: Spec = Spec::new(
        "token_generate",
        Method::Post,
        "/auth/api/v1/tokens/generate",
        "Mints a temporary access token for the key's domain.",
    )
    .audited("token.minted")
    .body(r#"{"username":"alice","language":"en","expires_in_hours":1}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Tokens>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let hours = body.expires_in_hours.unwrap_or(DEFAULT_HOURS);
        if !(1..=MOST_HOURS).contains(&hours) {
            return Err(Problem::invalid("expires_in_hours", format!("expected 1 to {MOST_HOURS}")));
        }
        let domain = own_domain(chatbot, &who).await?;
        let username = if body.username.as_str() == ANONYMOUS {
            Name::parse(&format!("{}_{ANONYMOUS}", domain.name))
                .map_err(|wrong| Problem::invalid("username", wrong))?
        } else {
            body.username.clone()
        };
        let order =
            TokenOrder { username: username.clone(), language: body.language.clone(), life: HOUR * hours };
        let once = |id: TokenId| idempotency.once(&domain.id, Self::SPEC.id, &body, id.to_string());
        let grant = Granted::<MintToken>::own(&who)?;
        let minted = mint_token(chatbot.platform(), &grant, order, once).await?;
        Ok(Shown(Generated {
            token: minted.secret.reveal().expose().to_owned(),
            expires_at: minted.expires_at,
            domain: domain.name,
            username,
        }))
    }
}

async fn own_domain(chatbot: &Chatbot, who: &Proof<'_, Tokens>) -> Result<Domain, Problem> {
    let id = who.subject().tenant.domain.ok_or_else(Problem::absent)?;
    chatbot.platform().stores.domains.read(who.scope(), id).await?.ok_or_else(Problem::absent)
}

/// A token to be checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateBody {
    /// The token.
    token: String,
}

/// Whether a token is good; where it is not, nothing else is said.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Validated {
    /// It is a live token of the key's domain.
    valid: bool,
    #[schemars(with = "Option<String>")]
    domain: Option<DomainName>,
    #[schemars(with = "Option<String>")]
    username: Option<Name>,
    #[schemars(with = "Option<String>")]
    language: Option<Language>,
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
}

/// `POST /auth/api/v1/tokens/validate`.
pub struct Validate;

impl Endpoint<Chatbot> for Validate {
    type Auth = Tokens;
    type Input = Json<ValidateBody>;
    type Output = Shown<Validated>;
    const SPEC: Spec = Spec::new(
        "token_validate",
        Method::Post,
        "/auth/api/v1/tokens/validate",
        "Whether a temporary token of the key's domain is good.",
    )
    .body(r#"{"token":"{temp_token}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Tokens>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if !matches!(classify(&body.token), Ok(Form::Temp)) {
            return Ok(Shown(Validated::default()));
        }
        let platform = chatbot.platform();
        let digest = TokenDigest::of(&body.token);
        let live = platform.stores.tokens.find(&digest).await?.is_some_and(|found| {
            !found.ended
                && found.principal.kind == TokenKind::Temp
                && found.principal.expires_at > platform.now()
        });
        let token = platform.stores.tokens.by_digest(who.scope(), &digest).await?.filter(|_| live);
        Ok(Shown(token.map_or_else(Validated::default, |token| Validated {
            valid: true,
            domain: Some(token.domain_name),
            username: Some(token.username),
            language: token.language,
            expires_at: Some(token.expires_at),
        })))
    }
}

/// A token, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenView {
    #[schemars(with = "String")]
    id: TokenId,
    #[schemars(with = "String")]
    domain: DomainName,
    #[schemars(with = "String")]
    username: Name,
    #[schemars(with = "Option<String>")]
    language: Option<Language>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
}

impl TokenView {
    fn of(token: Token) -> Self {
        Self {
            id: token.id,
            domain: token.domain_name,
            username: token.username,
            language: token.language,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// `GET /auth/api/v1/tokens`.
pub struct List;

impl Endpoint<Chatbot> for List {
    type Auth = TokenKeepers;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<TokenView>>;
    const SPEC: Spec =
        Spec::get("token_list", "/auth/api/v1/tokens", "The domain's temporary tokens, newest first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, TokenKeepers>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = chatbot.platform().stores.tokens.list(TokenKind::Temp, who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |token| token.id.as_bytes().to_vec(), TokenView::of)))
    }
}

/// `DELETE /auth/api/v1/tokens/{id}`.
pub struct Revoke;

impl Endpoint<Chatbot> for Revoke {
    type Auth = TokenKeepers;
    type Input = Path<TokenId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "token_revoke",
        Method::Delete,
        "/auth/api/v1/tokens/{id}",
        "Revokes a temporary token: once answered, no process accepts it.",
    )
    .audited("token.revoked");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, TokenKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        revoke_token(chatbot.platform(), &who, id).await?;
        Ok(Done)
    }
}
