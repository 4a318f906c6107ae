//! Calendars of users.

mod link;
mod settings;
mod use_of;

pub use link::{Authorize, AuthorizeBody, Callback, CallbackQuery};
pub use settings::{Calendars as Settings, vault};
pub use use_of::{
    ConnectionView, Disconnect, EventTimeView, EventView, Events, EventsQuery, List, Token, TokenView,
};

use crate::Hub;
use auth_core::flow::Calendars;
use auth_web::Problem;
use std::sync::Arc;

impl Hub {
    /// The calendars, where this Hub has any: without a provider, there is none that a path could name.
    fn calendars(&self) -> Result<Arc<Calendars>, Problem> {
        self.calendars.clone().ok_or_else(Problem::absent)
    }
}
