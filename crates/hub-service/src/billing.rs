//! Billing: usage and invoices, counted from the stored calls.

use crate::{
    Hub,
    rules::{Billing, own_account},
};
use auth_core::{
    flow::{Invoice, invoices},
    id::AccountId,
    model::{Channel, Usage as Counted},
    policy::Proof,
    time::Timestamp,
};
use auth_web::{
    Endpoint, Problem, Service as _, Spec,
    input::{Path, Query, from_cursor, limit},
    reply::{Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which calls to count.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// Ordered not before (RFC 3339); by default from the beginning.
    #[schemars(with = "Option<String>")]
    from: Option<Timestamp>,
    /// Ordered before (RFC 3339); by default until now.
    #[schemars(with = "Option<String>")]
    to: Option<Timestamp>,
}

/// What was used.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageView {
    #[schemars(with = "String")]
    account_id: AccountId,
    #[schemars(with = "String")]
    from: Timestamp,
    #[schemars(with = "String")]
    to: Timestamp,
    /// All calls but those that were cancelled before their time.
    total_calls: u64,
    items: Vec<UsageLine>,
}

/// The calls of one month and channel.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsageLine {
    /// Such as `2026-11` (UTC).
    month: String,
    #[schemars(with = "String")]
    channel: Channel,
    calls: u64,
}

/// `GET /accounts/{account_id}/billing/usage`.
pub struct Usage;

impl Endpoint<Hub> for Usage {
    type Auth = Billing;
    type Input = (Path<AccountId>, Query<UsageQuery>);
    type Output = Shown<UsageView>;
    const SPEC: Spec = Spec::get(
        "billing_usage",
        "/accounts/{account_id}/billing/usage",
        "Calls by month and channel, but for those cancelled before their time.",
    );

    async fn call(
        hub: &Hub,
        who: Proof<'_, Billing>,
        (Path(account_id), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, account_id)?;
        let platform = hub.platform();
        let (from, to) =
            (query.from.unwrap_or(Timestamp::EPOCH), query.to.unwrap_or_else(|| just_after(platform.now())));
        let found = platform.stores.calls.usage(who.scope(), from, to).await?;
        let total_calls = found.iter().map(|line| line.calls).sum();
        let line = |Counted { month, channel, calls }| UsageLine { month, channel, calls };
        Ok(Shown(UsageView {
            account_id,
            from,
            to,
            total_calls,
            items: found.into_iter().map(line).collect(),
        }))
    }
}

/// The end of a range that holds what happened by now.
fn just_after(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis() + 1)
}

/// Which page of the invoices is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoicesQuery {
    /// At most this many invoices: 1 to 200, by default 50.
    limit: Option<u16>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl InvoicesQuery {
    /// The month before which the page begins; a cursor is the last month of the page before.
    fn before(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let month = from_cursor::<7>(cursor)?;
        let shape = month.iter().zip(b"0000-00").all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
        let month = String::from_utf8(month.to_vec()).ok().filter(|_| shape);
        month.map(Some).ok_or_else(|| Problem::invalid("cursor", "not a cursor of this list"))
    }
}

/// The invoice of one month.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InvoiceView {
    /// Account and month.
    invoice_id: String,
    /// Such as `2026-11` (UTC).
    month: String,
    /// `open` while the month lasts, then `closed`.
    status: &'static str,
    /// ISO 4217 code.
    currency: String,
    lines: Vec<LineView>,
    /// In hundredths of the currency.
    total_cents: u64,
}

/// The calls of one channel.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LineView {
    #[schemars(with = "String")]
    channel: Channel,
    calls: u64,
    unit_cents: u64,
    amount_cents: u64,
}

/// `GET /accounts/{account_id}/billing/invoices`.
pub struct Invoices;

impl Endpoint<Hub> for Invoices {
    type Auth = Billing;
    type Input = (Path<AccountId>, Query<InvoicesQuery>);
    type Output = Shown<Listed<InvoiceView>>;
    const SPEC: Spec = Spec::get(
        "billing_invoices",
        "/accounts/{account_id}/billing/invoices",
        "One invoice a month, newest first.",
    );

    async fn call(
        hub: &Hub,
        who: Proof<'_, Billing>,
        (Path(account), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, account)?;
        let (limit, before) = (limit(query.limit)?, query.before()?);
        let platform = hub.platform();
        let now = platform.now();
        let found = platform.stores.calls.usage(who.scope(), Timestamp::EPOCH, just_after(now)).await?;
        let this_month: String = now.to_string().chars().take(7).collect();
        let view = |invoice: Invoice| InvoiceView {
            invoice_id: format!("{account}-{}", invoice.month),
            status: if invoice.month == this_month { "open" } else { "closed" },
            currency: hub.tariff.currency.clone(),
            lines: invoice
                .lines
                .iter()
                .map(|line| LineView {
                    channel: line.channel,
                    calls: line.calls,
                    unit_cents: line.unit_cents,
                    amount_cents: line.amount_cents,
                })
                .collect(),
            total_cents: invoice.total_cents,
            month: invoice.month,
        };
        let mut invoices = invoices(&found, &hub.tariff);
        invoices.retain(|invoice| before.as_ref().is_none_or(|before| invoice.month < *before));
        Ok(Shown(Listed::new(invoices, limit, |last| last.month.clone().into_bytes(), view)))
    }
}
