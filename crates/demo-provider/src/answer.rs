//! Answers, and bodies that end well, badly or never.

use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Bytes, Frame, SizeHint},
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION},
};
use serde_json::Value;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// An answer.
pub(crate) type Answer = Response<Body>;

/// How long a dripping body waits before each byte.
const DRIP: Duration = Duration::from_millis(200);
/// How much of an endless body comes at once.
const GULP: usize = 16 * 1024;

/// A body.
pub(crate) enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// A beginning, and then the same byte without end.
    Endless { begins: Option<Bytes>, goes_on: Bytes },
    /// The same, a byte at a time.
    Drip { begins: Bytes, ticks: Interval },
    /// So many bytes are announced, and the connection is closed behind these.
    Cut { begins: Option<Bytes>, announced: u64, was_flushed: bool },
}

impl Body {
    /// A text without an end.
    pub(crate) fn endless(begins: &'static str) -> Self {
        let goes_on = Bytes::from(vec![b'a'; GULP]);
        Self::Endless { begins: Some(Bytes::from_static(begins.as_bytes())), goes_on }
    }
    /// A text without an end, slowly.
    pub(crate) fn drip(begins: &'static str) -> Self {
        let mut ticks = interval(DRIP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Drip { begins: Bytes::from_static(begins.as_bytes()), ticks }
    }
    /// The first half of a text that was announced in full.
    pub(crate) fn cut(text: &str) -> Self {
        let half = text.as_bytes().get(..text.len() / 2).unwrap_or_default();
        Self::Cut {
            begins: Some(Bytes::copy_from_slice(half)),
            announced: text.len() as u64,
            was_flushed: false,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = match self.get_mut() {
            Self::Whole(whole) => whole.take(),
            Self::Endless { begins, goes_on } => Some(begins.take().unwrap_or_else(|| goes_on.clone())),
            Self::Drip { begins, ticks } => {
                ready!(ticks.poll_tick(context));
                let is_over = begins.is_empty();
                Some(if is_over { Bytes::from_static(b"a") } else { begins.split_to(1) })
            }
            Self::Cut { begins: begins @ Some(_), .. } => begins.take(),
            Self::Cut { was_flushed: true, .. } => {
                return Poll::Ready(Some(Err(io::Error::other("it is cut here"))));
            }
            Self::Cut { was_flushed, .. } => {
                // While nothing comes, what came is sent.
                *was_flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Cut { announced, .. } => SizeHint::with_exact(*announced),
            Self::Endless { .. } | Self::Drip { .. } => SizeHint::default(),
        }
    }
}

/// An answer that no cache keeps.
pub(crate) fn answer(status: StatusCode, content_type: &str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    with(answer, CONTENT_TYPE, content_type)
}

/// The answer with one more header; without it, if that cannot be one.
pub(crate) fn with(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// A text.
pub(crate) fn text(status: StatusCode, content_type: &str, text: impl Into<Bytes>) -> Answer {
    answer(status, content_type, Body::Whole(Some(text.into())))
}

/// JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    text(status, "application/json; charset=utf-8", value.to_string())
}

/// Elsewhere.
pub(crate) fn redirect(status: StatusCode, to: &str) -> Answer {
    with(text(status, "text/plain", ""), LOCATION, to)
}

/// A page of a server that failed.
pub(crate) fn failure() -> Answer {
    text(StatusCode::INTERNAL_SERVER_ERROR, "text/html", "<!doctype html><title>Error</title><p>It failed.")
}
