//! Domain API keys, managed by the people who administer the domain.

use crate::{Chatbot, rules::KeyKeepers};
use auth_core::{id::KeyId, policy::Proof, service::Service as Kind};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    own::keys::{self, ChangeBody, CreateBody, KeyView, NewKeyView, RotateBody, RotatedView},
    reply::{Created, Done, Listed, Shown},
};

/// `POST /auth/api/v1/keys`.
pub struct Create;

impl Endpoint<Chatbot> for Create {
    type Auth = KeyKeepers;
    type Input = (Idempotency, Json<CreateBody>);
    type Output = Created<NewKeyView>;
    const SPEC: Spec =
        Spec::new("domain_key_create", Method::Post, "/auth/api/v1/keys", "Makes a key of the domain.")
            .audited("key.created")
            .body(r#"{"name":"website","account_id":"{account_id}","permissions":["token_generation"]}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        (idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let grant = keys::own_tenant(&who, &body)?;
        let here = (chatbot.platform(), Kind::Chatbot);
        keys::create(here, (&who, &grant), Self::SPEC.id, &idempotency, body).await
    }
}

/// `GET /auth/api/v1/keys`.
pub struct List;

impl Endpoint<Chatbot> for List {
    type Auth = KeyKeepers;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<KeyView>>;
    const SPEC: Spec = Spec::get("domain_key_list", "/auth/api/v1/keys", "The domain's keys, newest first.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::list((chatbot.platform(), Kind::Chatbot), &who, &query).await?))
    }
}

/// `GET /auth/api/v1/keys/{id}`.
pub struct Read;

impl Endpoint<Chatbot> for Read {
    type Auth = KeyKeepers;
    type Input = Path<KeyId>;
    type Output = Shown<KeyView>;
    const SPEC: Spec = Spec::get("domain_key_read", "/auth/api/v1/keys/{id}", "One key.");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::read((chatbot.platform(), Kind::Chatbot), &who, id).await?))
    }
}

/// `PATCH /auth/api/v1/keys/{id}`.
pub struct Change;

impl Endpoint<Chatbot> for Change {
    type Auth = KeyKeepers;
    type Input = (Path<KeyId>, Json<ChangeBody>);
    type Output = Shown<KeyView>;
    const SPEC: Spec = Spec::new(
        "domain_key_change",
        Method::Patch,
        "/auth/api/v1/keys/{id}",
        "Changes name, rights or limits.",
    )
    .audited("key.changed")
    .body(r#"{"name":"renamed"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::change((chatbot.platform(), Kind::Chatbot), &who, id, body).await?))
    }
}

/// `POST /auth/api/v1/keys/{id}/rotate`.
pub struct Rotate;

impl Endpoint<Chatbot> for Rotate {
    type Auth = KeyKeepers;
    type Input = (Path<KeyId>, Json<RotateBody>);
    type Output = Shown<RotatedView>;
    const SPEC: Spec = Spec::new(
        "domain_key_rotate",
        Method::Post,
        "/auth/api/v1/keys/{id}/rotate",
        "Gives a key a new secret.",
    )
    .audited("key.rotated")
    .body(r#"{"overlap_seconds":60}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        (Path(id), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(keys::rotate((chatbot.platform(), Kind::Chatbot), &who, id, &body).await?))
    }
}

/// `DELETE /auth/api/v1/keys/{id}`.
pub struct Revoke;

impl Endpoint<Chatbot> for Revoke {
    type Auth = KeyKeepers;
    type Input = Path<KeyId>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "domain_key_revoke",
        Method::Delete,
        "/auth/api/v1/keys/{id}",
        "Revokes a key: once answered, no process accepts it.",
    )
    .audited("key.revoked");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, KeyKeepers>,
        Path(id): Self::Input,
    ) -> Result<Self::Output, Problem> {
        keys::revoke((chatbot.platform(), Kind::Chatbot), &who, id).await
    }
}
