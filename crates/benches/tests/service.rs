//! What is measured is what it says: one route asks for a key, the others do not, and all answer the same.

use auth_web::in_process::in_process;
use benches::{
    service::{GUARDED, UNGUARDED},
    world::{World, draw},
};

#[test]
fn the_guard_is_the_only_difference() {
    let world = World::warm(10);
    let unknown = draw(1, 2);
    let (key, misspelt) = (world.keys.at(3), world.keys.misspelt());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let status = in_process(world.app()).await;
        assert_eq!(status(GUARDED, key).await, Some(200));
        for path in UNGUARDED {
            assert_eq!(status(path, key).await, Some(200));
        }
        for stranger in ["", "nobody", unknown.at(0), misspelt.at(3)] {
            assert_eq!(status(GUARDED, stranger).await, Some(401), "{stranger}");
            for path in UNGUARDED {
                assert_eq!(status(path, stranger).await, Some(200), "{stranger}");
            }
        }
    });
}
