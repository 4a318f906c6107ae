//! What is good once: a key each, which is taken by deleting it.
//!
//! Redis may forget what it has answered: at the end of its process, or when another takes its place. What was taken
//! could so come back. Therefore the name of a key holds the life of the server in which it was made, and is looked for
//! in that life alone: what came back is found by nobody.

use crate::{Store, server::Life};
use auth_core::{
    error::StoreError,
    port::{Answer, NewOneTime, OneTime, Purpose},
    secret::TokenDigest,
    time::Timestamp,
};
use data_encoding::HEXLOWER;
use redis::{Cmd, RedisWrite, ToRedisArgs, ToSingleRedisArg};
use std::io::Write as _;

/// For how long Redis keeps what is over: clocks may be apart by so much before it forgets too early.
const GRACE_MS: i64 = 60_000;

/// A name: its server, by the first byte of the digest; then the life of that, so that it is good in no other.
struct Name<'a>(Purpose, &'a TokenDigest, &'a Life);

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let Self(purpose, digest, life) = self;
        let mut digits = [0; 2 * size_of::<TokenDigest>()];
        HEXLOWER.encode_mut(digest.as_bytes(), &mut digits);
        let (purpose, life) = (purpose.name().as_bytes(), life.name().as_bytes());
        let mut name = out.writer_for_next_arg();
        for part in [b"auth:{", &digits[..2], b"}:", purpose, b":", life, b":", &digits] {
            // Memory takes all.
            let _ = name.write_all(part);
        }
    }
}

impl ToSingleRedisArg for Name<'_> {}

/// When it ends, in milliseconds, and its content.
fn value(new: &NewOneTime) -> Vec<u8> {
    [&new.expires_at.millis().to_be_bytes(), new.content.as_slice()].concat()
}

fn read(mut value: Vec<u8>, at: Timestamp) -> Option<Vec<u8>> {
    let expires_at = i64::from_be_bytes(*value.first_chunk()?);
    value.drain(..size_of::<i64>());
    (expires_at > at.millis()).then_some(value)
}

#[async_trait::async_trait]
impl OneTime for Store {
    async fn keep(&self, new: NewOneTime) -> Answer<()> {
        let (value, lasts) = (value(&new), new.expires_at.millis().saturating_sub(new.at.millis()));
        let command = |life: &Life| {
            let mut set = Cmd::with_capacity(6, 256);
            set.arg("SET").arg(Name(new.purpose, &new.digest, life)).arg(value.as_slice());
            set.arg("NX").arg("PX").arg(lasts.max(0).saturating_add(GRACE_MS));
            set
        };
        match self.servers.ask::<Option<String>>(&new.digest, command).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::Damaged("something else is kept under this digest".to_owned())),
        }
    }

    async fn take(&self, purpose: Purpose, digest: &TokenDigest, at: Timestamp) -> Answer<Option<Vec<u8>>> {
        let command = |life: &Life| -> Cmd {
            let mut take = Cmd::with_capacity(2, 160);
            take.arg("GETDEL").arg(Name(purpose, digest, life));
            take
        };
        let value: Option<Vec<u8>> = self.servers.ask(digest, command).await?;
        Ok(value.and_then(|value| read(value, at)))
    }

    /// Redis forgets by itself.
    async fn purge(&self, _: Timestamp) -> Answer<()> {
        Ok(())
    }
}
