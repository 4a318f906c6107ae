//! What the first world on a backend made there: those after it begin with a copy, and not with a hundred requests.

use crate::{
    holdings::Holdings,
    place::{Backend, Copied, Place},
    world::World,
};
use auth_core::time::Clock as _;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

/// Two tenants with one of everything.
pub(crate) struct Settled {
    copied: Copied,
    /// How far the clock had been stepped.
    pub(crate) passed: Duration,
    /// The first tenant.
    pub(crate) a: Holdings,
    /// The second.
    pub(crate) b: Holdings,
}

/// By the server's URL; of files, by none.
static FIRST: Mutex<BTreeMap<String, &'static Settled>> = Mutex::new(BTreeMap::new());

impl Settled {
    /// What was made on a backend.
    pub(crate) fn on(backend: &Backend) -> Option<&'static Self> {
        FIRST.lock().unwrap().get(backend.server().unwrap_or_default()).copied()
    }

    /// A place with a copy of it.
    pub(crate) async fn place(&self, backend: &Backend) -> Place {
        Place::copied(backend, &self.copied).await
    }

    /// Keeps what a world has made, where nothing was kept before.
    pub(crate) async fn keep(backend: &Backend, world: &World) {
        let copied = world.place.copy(backend).await;
        let passed = Duration::from_nanos(world.clock.monotonic().nanos());
        let (a, b) = (world.a.clone(), world.b.clone());
        let server = backend.server().unwrap_or_default().to_owned();
        let kept: &'static Self = Box::leak(Box::new(Self { copied, passed, a, b }));
        FIRST.lock().unwrap().entry(server).or_insert(kept);
    }
}
