//! A service called in process: the same routes and the same path of a request, without a network.

use crate::{endpoint::Service, front::App, serve::mount};
use actix_web::{
    App as Actix,
    dev::Service as _,
    http::header::AUTHORIZATION,
    test::{TestRequest, init_service},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

/// Where the requests come from.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4711);

/// Mounts a service and answers how to `GET` a path of it with a bearer token: the status comes back. The
/// request is made when the function is called, and sent when its future is first polled, so that the two can
/// be measured apart.
#[expect(clippy::disallowed_methods, reason = "this serves a table, and nothing beside it")]
pub async fn in_process<S: Service>(app: Arc<App<S>>) -> impl AsyncFn(&str, &str) -> Option<u16> {
    let service = Rc::new(init_service(Actix::new().configure(|config| mount(app, config))).await);
    move |path: &str, bearer: &str| {
        let request = TestRequest::get().uri(path).peer_addr(PEER);
        let request = request.insert_header((AUTHORIZATION, format!("Bearer {bearer}"))).to_request();
        let service = Rc::clone(&service);
        async move { service.call(request).await.ok().map(|response| response.status().as_u16()) }
    }
}
