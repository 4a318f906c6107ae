//! Calls: started, listed, read, cancelled.

use crate::{
    Hub,
    rules::{Calls, own_account},
};
use auth_core::{
    flow::mismatched,
    id::{AccountId, CallId},
    model::{Call, CallStatus, CallType, Channel, Email, Language, Name, NewCall, PhoneNumber, Prose},
    policy::{Granted, Proof, grant},
    port::{CancelCall, Change, Creation, StartCall},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Idempotency, Json, PageQuery, Path, Query},
    problem::Kind,
    reply::{Listed, Once, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For which account a call is started.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StartQuery {
    /// The account; where it is left out, the key's own.
    account_id: Option<String>,
}

/// A call to be started.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct StartBody {
    /// What kind of call, in the caller's words.
    #[schemars(with = "String")]
    r#type: CallType,
    /// `sms` or `phone`.
    #[schemars(with = "String")]
    channel: Channel,
    /// E.164.
    #[schemars(with = "String")]
    phone_number: PhoneNumber,
    /// The client's name.
    #[schemars(with = "String")]
    client_name: Name,
    /// The client's address.
    #[schemars(with = "String")]
    client_email: Email,
    /// What to say.
    #[schemars(with = "String")]
    instruction: Prose,
    /// On behalf of which domain or business.
    #[schemars(with = "String")]
    domain_name: Name,
    /// In which language.
    #[schemars(with = "String")]
    language: Language,
    /// When; now, where it is left out.
    #[schemars(with = "Option<String>")]
    scheduled_time: Option<Timestamp>,
}

/// A call that was started.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Started {
    /// Its identifier.
    #[schemars(with = "String")]
    call_sid: CallId,
    /// `initiated` or `scheduled`.
    #[schemars(with = "String")]
    status: CallStatus,
}

/// `POST /start`.
pub struct Start;

impl Endpoint<Hub> for Start {
    type Auth = Calls;
    type Input = (Query<StartQuery>, Idempotency, Json<StartBody>);
    type Output = Once<Started, 200>;
    const SPEC: Spec = Spec::new("call_start", Method::Post, "/start", "Starts a call, or schedules it.")
        .audited("call.started")
        .query("account_id={account_id}")
        .body(
            r#"{"type":"reminder","channel":"phone","phone_number":"+14155550123","client_name":"Alice","client_email":"alice@example.com","instruction":"Remind of the appointment.","domain_name":"example.com","language":"en"}"#,
        );

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calls>,
        (Query(query), idempotency, Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if let Some(account) = query.account_id {
            own_account(&who, account.parse().map_err(|_| Problem::absent())?)?;
        }
        let platform = hub.platform();
        let at = platform.now();
        let id = CallId::draw(at, platform.entropy.as_ref());
        let account = who.subject().tenant.account;
        // A time that is not ahead means now: what is billed lies never in a month before.
        let scheduled_time = body.scheduled_time.filter(|time| *time > at);
        let status = if scheduled_time.is_some() { CallStatus::Scheduled } else { CallStatus::Initiated };
        let started = Started { call_sid: id, status };
        let answer = serde_json::to_string(&started).unwrap_or_default();
        let once = idempotency.once(&account, Self::SPEC.id, &body, answer);
        let new = NewCall {
            id,
            call_type: body.r#type,
            channel: body.channel,
            phone_number: body.phone_number,
            client_name: body.client_name,
            client_email: body.client_email,
            instruction: body.instruction,
            domain_name: body.domain_name,
            language: body.language,
            scheduled_time,
            at,
        };
        let grant = Granted::<StartCall>::own(&who)?;
        match platform.stores.calls.start(&grant, new, once).await? {
            Creation::Repeated(answer) => Ok(Once::Before(answer)),
            Creation::Mismatched => Err(mismatched().into()),
            Creation::Done(()) => Ok(Once::Now(started)),
            Creation::Taken | Creation::Stale | Creation::Full(_) => {
                Err(Problem::new(Kind::Conflict, "The call was not stored. Try again."))
            }
        }
    }
}

/// A call.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CallView {
    #[schemars(with = "String")]
    call_sid: CallId,
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    status: CallStatus,
    #[serde(flatten)]
    order: StartBody,
    #[schemars(with = "String")]
    created_at: Timestamp,
}

impl CallView {
    fn of(call: Call) -> Self {
        let order = call.order;
        Self {
            call_sid: call.id,
            account_id: call.account,
            status: call.status,
            created_at: order.at,
            order: StartBody {
                r#type: order.call_type,
                channel: order.channel,
                phone_number: order.phone_number,
                client_name: order.client_name,
                client_email: order.client_email,
                instruction: order.instruction,
                domain_name: order.domain_name,
                language: order.language,
                scheduled_time: order.scheduled_time,
            },
        }
    }
}

/// `GET /calls`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = Calls;
    type Input = Query<PageQuery>;
    type Output = Shown<Listed<CallView>>;
    const SPEC: Spec = Spec::get("call_list", "/calls", "The account's calls, newest first.");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calls>,
        Query(query): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (limit, page) = query.page()?;
        let found = hub.platform().stores.calls.list(who.scope(), page).await?;
        Ok(Shown(Listed::new(found, limit, |call| call.id.as_bytes().to_vec(), CallView::of)))
    }
}

/// `GET /calls/{call_sid}`.
pub struct Read;

impl Endpoint<Hub> for Read {
    type Auth = Calls;
    type Input = Path<CallId>;
    type Output = Shown<CallView>;
    const SPEC: Spec = Spec::get("call_read", "/calls/{call_sid}", "One call.");

    async fn call(hub: &Hub, who: Proof<'_, Calls>, Path(id): Self::Input) -> Result<Self::Output, Problem> {
        let call = hub.platform().stores.calls.read(who.scope(), id).await?.ok_or_else(Problem::absent)?;
        Ok(Shown(CallView::of(call)))
    }
}

/// `POST /calls/{call_sid}/cancel`.
pub struct Cancel;

impl Endpoint<Hub> for Cancel {
    type Auth = Calls;
    type Input = Path<CallId>;
    type Output = Shown<CallView>;
    const SPEC: Spec = Spec::new(
        "call_cancel",
        Method::Post,
        "/calls/{call_sid}/cancel",
        "Cancels a call; one that was cancelled stays so.",
    )
    .audited("call.cancelled");

    async fn call(hub: &Hub, who: Proof<'_, Calls>, Path(id): Self::Input) -> Result<Self::Output, Problem> {
        let platform = hub.platform();
        let call = platform.stores.calls.read(who.scope(), id).await?.ok_or_else(Problem::absent)?;
        let granted = grant::<CancelCall, _>(&who, &call)?;
        match platform.stores.calls.cancel(&granted, platform.now()).await? {
            Change::Done(call) => Ok(Shown(CallView::of(call))),
            Change::Stale | Change::Taken => {
                Ok(Shown(CallView::of(Call { status: CallStatus::Cancelled, ..call })))
            }
        }
    }
}
