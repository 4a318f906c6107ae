//! Servers on the loopback: where they are, and who connects.

use crate::answer::Answer;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

/// How long nobody is let in after somebody could not be.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener for the runtime of the caller, and its origin: `http://localhost:PORT`. The error says why there is none: an
/// address that is not of the loopback.
pub(crate) fn on_loopback(listener: std::net::TcpListener) -> Result<(TcpListener, String), String> {
    let address = listener.local_addr().map_err(|error| format!("no address: {error}"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not on the loopback: demonstrations are for one machine"));
    }
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    Ok((listener, format!("http://localhost:{}", address.port())))
}

/// Serves who connects; all connections end with it.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    enter: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, at worst: others run, and give some back.
            sleep(PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let enter = enter.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let entered = enter(request);
                async move { Ok::<_, Infallible>(entered.await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).auto_date_header(false);
            // Whoever goes away in the middle of an answer is nobody's fault here.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
