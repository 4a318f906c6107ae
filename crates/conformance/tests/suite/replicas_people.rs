//! Several processes of the chatbot service on one store: when the end of a session has answered, none of them accepts its
//! access tokens.

use auth_web::serve;
use conformance::{
    endings::{Ending, Endings, replica},
    place::Place,
};
use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
};
use tokio::sync::watch;

/// How often in each way: two thousand times by `cargo run --profile dist -p benches --bin endings`, over processes.
const ROUNDS: usize = 12;

/// Rows A20, B12 and B19.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_ended_session_are_accepted_by_none() {
    let place = Place::fresh().await;
    let (stop, stopped) = watch::channel(false);
    let (mut addresses, mut running) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        addresses.push(listener.local_addr().unwrap());
        let app = Arc::new(replica(place.open().await).await);
        running.push(tokio::spawn(serve::serve(app, listener, 1, stopped.clone())));
    }
    let mut endings = Endings::begin(place.fixture().await, addresses.try_into().unwrap()).await;
    for ending in Ending::EVERY {
        for number in 0..ROUNDS {
            endings.round(number, ending).await;
        }
    }
    let counts = endings.end().await;
    let [accepted, refused] = [&counts.accepted, &counts.refused].map(|count| count.load(Ordering::SeqCst));
    assert!(accepted > 0 && refused > 0, "{counts:?}");
    stop.send(true).unwrap();
    for replica in running {
        replica.await.unwrap().unwrap();
    }
}
