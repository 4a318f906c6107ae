//! `audit`: reading the trail, and checking it.

use crate::{
    arguments::{Audit, AuditList, Place},
    output::{Report, columns, print, progress},
    place::{Desk, failed},
};
use auth_core::{
    audit::{Chained, Head},
    port::AuditFilter,
    time::Timestamp,
};
use serde::Serialize;

pub(crate) async fn run(place: &Place, command: Audit, json: bool) -> Result<(), String> {
    match command {
        Audit::List(wanted) => print(json, &list(&place.operate().await?, wanted).await?),
        // The store is not opened: whoever checks it need not be able to write it.
        Audit::Verify { heads } => print(json, &verify(place, heads).await?),
    }
}

async fn list(desk: &Desk, wanted: AuditList) -> Result<Listed, String> {
    let AuditList { from, to, actor, action, target, limit } = wanted;
    let filter = AuditFilter { from, to, actor, action, target };
    let mut found: Vec<Chained> = Vec::new();
    loop {
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(found.len());
        let most = u16::try_from(most).unwrap_or(u16::MAX).min(1000);
        let before = found.last().map(|last| last.seq);
        let more =
            desk.stores().audit.list(desk.proof.scope(), &filter, before, most).await.map_err(failed)?;
        let last = more.is_empty();
        found.extend(more);
        if last || most == 0 {
            return Ok(Listed(found.into_iter().map(EventView::of).collect()));
        }
    }
}

#[derive(Serialize)]
struct EventView {
    seq: i64,
    at: Timestamp,
    actor: String,
    source: String,
    request_id: String,
    event: serde_json::Value,
    link: String,
}

impl EventView {
    fn of(Chained { seq, entry, link, .. }: Chained) -> Self {
        let event = serde_json::from_str(&entry.event).unwrap_or(serde_json::Value::String(entry.event));
        let (at, actor, source, request_id) = (entry.at, entry.actor, entry.source, entry.request_id);
        Self { seq, at, actor, source, request_id, event, link: link.to_string() }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed(Vec<EventView>);

impl Report for Listed {
    fn text(&self) -> String {
        let row = |one: &EventView| {
            let action =
                one.event.get("action").and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
            let about = one.event.as_object().map(|members| {
                let rest = members.iter().filter(|(name, _)| *name != "action");
                rest.map(|(name, value)| format!("{name}={value}").replace('"', ""))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            let (at, actor) = (one.at.to_string(), one.actor.clone());
            [one.seq.to_string(), at, actor, one.source.clone(), action, about.unwrap_or_default()]
        };
        columns(["SEQ", "AT", "ACTOR", "SOURCE", "ACTION", "ABOUT"], self.0.iter().map(row))
    }
}

async fn verify(place: &Place, heads: Vec<Head>) -> Result<Verified, String> {
    let location = place.existing().await?;
    let bar = progress("{bar:40} {pos}/{len} entries, {eta} left");
    let found = auth_store::verify_trail(&location, heads, |seq, total| {
        bar.set_length(total.unsigned_abs());
        bar.set_position(seq.unsigned_abs());
    })
    .await;
    bar.finish_and_clear();
    let auth_store::Verified { head, torn } = found.map_err(|error| format!("audit trail: {error}"))?;
    Ok(Verified { entries: head.seq, head: head.link.to_string(), torn_anchor_lines: torn })
}

#[derive(Serialize)]
struct Verified {
    entries: i64,
    head: String,
    /// Lines of the anchor that were cut off while they were written, and were skipped.
    torn_anchor_lines: u64,
}

impl Report for Verified {
    fn text(&self) -> String {
        let torn = match self.torn_anchor_lines {
            0 => String::new(),
            torn => format!("; torn lines of the anchor that were skipped: {torn}"),
        };
        format!("the trail stands: {} entries, head {}{torn}", self.entries, self.head)
    }
}
