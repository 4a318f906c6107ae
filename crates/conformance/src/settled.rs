//! What the first world of a process made in its files: those after it begin with a copy, and not with a hundred requests.

use crate::{holdings::Holdings, place::Place, world::World};
use auth_core::time::Clock as _;
use std::{sync::OnceLock, time::Duration};

/// Two tenants with one of everything, in a file.
pub(crate) struct Settled {
    files: Vec<(&'static str, Vec<u8>)>,
    /// How far the clock had been stepped.
    pub(crate) passed: Duration,
    /// The first tenant.
    pub(crate) a: Holdings,
    /// The second.
    pub(crate) b: Holdings,
}

static FIRST: OnceLock<Settled> = OnceLock::new();

impl Settled {
    /// Puts a copy into a place that is yet to be opened; `None` where there is none, or the place is no file.
    #[expect(clippy::disallowed_methods, reason = "a test makes its files")]
    pub(crate) fn put_into(place: &Place) -> Option<&'static Self> {
        let first = FIRST.get().filter(|_| place.is_file())?;
        for (name, bytes) in &first.files {
            std::fs::write(place.dir.path().join(name), bytes).unwrap();
        }
        Some(first)
    }

    /// Keeps what a world has made, where it lies in a file, and nothing was kept before.
    #[expect(clippy::disallowed_methods, reason = "a test reads its files")]
    pub(crate) async fn keep(world: &World) {
        let place = &world.place;
        if FIRST.get().is_some() || !place.is_file() {
            return;
        }
        let copy = place.dir.path().join("copy.db");
        place.execute(&format!("VACUUM INTO '{}'", copy.display())).await;
        // The processes of the first world are none of the others'.
        Place::without_replicas(&copy);
        let read = |name: &str| std::fs::read(place.dir.path().join(name)).unwrap();
        let files = vec![("auth.db", read("copy.db")), ("audit.anchor", read("audit.anchor"))];
        std::fs::remove_file(copy).unwrap();
        let passed = Duration::from_nanos(world.clock.monotonic().nanos());
        let (a, b) = (world.a.clone(), world.b.clone());
        let _ = FIRST.set(Self { files, passed, a, b });
    }
}
