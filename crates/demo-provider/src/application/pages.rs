//! What the pages show.

use super::{
    calendars::{Connection, Event, Listed, Moment, Status, Wanted},
    hub::Trouble,
};
use crate::html::Look;
use auth_core::{model::ProviderName, time::Timestamp};
use form_urlencoded::Serializer;
use maud::{Markup, html};

/// `same-origin`: with less, browsers would not say that a form comes from here.
pub(crate) const LOOK: Look = Look {
    style: "body{font:1rem/1.5 sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem}\
        form{display:inline-block;margin-right:.5rem}button{font:inherit;padding:.4rem 1rem}\
        table{border-collapse:collapse}td,th{padding:.3rem 1rem .3rem 0;text-align:left;vertical-align:top}",
    referrer: "same-origin",
};

/// The page that shows what is linked.
pub(crate) fn front(providers: &[ProviderName], connections: &[Connection]) -> Markup {
    html! {
        h1 { "Demo application" }
        p {
            "This page stands for your own web site: it links the calendars of one of your users through the Hub's HTTP \
             API."
        }
        @for provider in providers {
            section id=(provider.as_str()) {
                h2 { (provider.as_str()) }
                (state(provider, connections.iter().find(|connection| connection.provider == *provider)))
            }
        }
    }
}

fn state(provider: &ProviderName, connection: Option<&Connection>) -> Markup {
    let link = || button("post", "link", provider, "Link the calendar");
    let events = || button("get", "events", provider, "Show events");
    let unlink = || button("post", "unlink", provider, "Unlink");
    let Some(Connection { address, status, .. }) = connection else {
        return html! { p { "Status: " strong { "not linked" } "." } (link()) };
    };
    html! {
        p {
            "Status: "
            @match status {
                Status::Active => { strong { "active" } "." }
                Status::NeedsConsent => {
                    strong { "needs consent" } ". The provider takes the tokens no more: link the calendar again."
                }
                Status::Disconnecting => {
                    strong { "disconnecting" } ". It was unlinked, and the provider could not be told yet."
                }
            }
        }
        p { "Address: " @if let Some(address) = address { strong { (address) } } @else { "not told" } "." }
        @match status {
            Status::Active => { (events()) (unlink()) }
            Status::NeedsConsent => { (link()) (unlink()) }
            Status::Disconnecting => (unlink()),
        }
    }
}

fn button(method: &str, what: &str, provider: &ProviderName, label: &str) -> Markup {
    html! { form method=(method) action={ "/" (what) "/" (provider.as_str()) } { button { (label) } } }
}

/// The page that shows events.
pub(crate) fn events(provider: &ProviderName, wanted: &Wanted<'_>, listed: &Listed<Event>) -> Markup {
    let next = listed.next_cursor.as_deref().map(|cursor| {
        // The span comes along: the cursor is one of that list.
        let pairs = [("from", &*wanted.from.to_string()), ("cursor", cursor)];
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("/events/{}?{query}", provider.as_str())
    });
    html! {
        h1 { "Events of " (provider.as_str()) }
        p { "From " (time(wanted.from)) " to " (time(wanted.to)) "." }
        @if listed.items.is_empty() {
            p { "There are none." }
        } @else {
            table {
                thead { tr { th { "What" } th { "From" } th { "Until" } th { "Where" } th { "By whom" } } }
                tbody {
                    @for event in &listed.items {
                        tr {
                            td { @if event.cancelled { s { (event.title) } " (cancelled)" } @else { (event.title) } }
                            td { (moment(&event.start)) }
                            td { (moment(&event.end)) }
                            td { (event.location.as_deref().unwrap_or_default()) }
                            td { (event.organizer.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        @if let Some(next) = next { p { a href=(next) rel="next" { "Next page" } } }
        (back())
    }
}

fn moment(moment: &Moment) -> Markup {
    match moment {
        Moment::DateTime(at) => time(*at),
        Moment::Date(day) => html! { time datetime=(day) { (day) } },
    }
}

/// A time, to the minute for people.
fn time(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let shown = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) " UTC" } }
}

/// The page that says that an end is not told yet.
pub(crate) fn waits(provider: &ProviderName) -> Markup {
    html! {
        h1 { "Unlinked, and not told yet" }
        p {
            "The Hub gives nothing of this calendar any more. " strong { (provider.as_str()) } " could not be told yet: the \
             Hub tells it again within an hour."
        }
        (back())
    }
}

/// The page that says what went wrong.
pub(crate) fn trouble(trouble: &Trouble) -> Markup {
    html! { h1 { (trouble.title) } p role="alert" { (trouble.detail) } (back()) }
}

fn back() -> Markup {
    html! { p { a href="/" { "Back" } } }
}
