//! Database servers of a test's own: in a container where a Docker engine answers, else from the programs that this
//! machine has, else not at all, which is said by name. What `CONFORMANCE_REQUIRE` names must be there.

mod postgres;
mod redis;
mod wire;

pub use self::redis::{Cluster, Redis, Sentinels};
pub use postgres::Postgres;
pub use wire::Wire;

use std::process::Command;

/// What a test could not be run on.
#[derive(Debug)]
pub struct NotRun(pub String);

/// Whether a backend must be there: `CONFORMANCE_REQUIRE=postgres,redis,containers,browser`.
#[expect(clippy::disallowed_methods, reason = "the caller of the suite says what it must not leave out")]
pub fn is_required(name: &str) -> bool {
    std::env::var("CONFORMANCE_REQUIRE").is_ok_and(|names| names.split(',').any(|one| one.trim() == name))
}

/// What was started; or `None`, with a line that names it, where it need not be there.
pub fn unless_missing<T>(name: &str, started: Result<T, NotRun>) -> Option<T> {
    match started {
        Ok(started) => Some(started),
        Err(NotRun(why)) if is_required(name) => panic!("{name} is required, and is not there: {why}"),
        Err(NotRun(why)) => {
            println!("not run: {name}: {why}");
            None
        }
    }
}

/// The tag of an image: another one by the environment, as `CONFORMANCE_POSTGRES_IMAGE=registry.example.com/postgres:17`.
#[expect(clippy::disallowed_methods, reason = "the caller of the suite names the images")]
fn image(name: &str, usual: (&str, &str)) -> (String, String) {
    let named = std::env::var(format!("CONFORMANCE_{name}_IMAGE")).ok();
    let named = named.as_deref().and_then(|image| image.rsplit_once(':'));
    let (image, tag) = named.unwrap_or(usual);
    (image.to_owned(), tag.to_owned())
}

/// Whether a Docker engine answers.
pub fn has_docker() -> bool {
    Command::new("docker")
        .args(["version", "--format", "x"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A free port of this machine, at this moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
