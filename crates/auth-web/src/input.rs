//! What endpoints take: path, query, body, headers. Parsed after the decision, never before.

use crate::{
    credential::in_cookies,
    problem::{Kind, Problem},
};
use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING,
    },
};
use auth_core::{
    model::Page,
    secret::{PlainToken, TokenDigest},
};
use futures_util::StreamExt as _;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use std::{marker::PhantomData, time::Duration};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The most that a body may have.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What an input looks like, for OpenAPI.
#[derive(Debug, Default)]
pub struct Shape {
    /// The members of the query.
    pub query: Option<Schema>,
    /// The body: its media type, and what it holds.
    pub body: Option<(&'static str, Schema)>,
    /// The cookies that are taken, beside one that is a credential.
    pub cookies: Vec<&'static str>,
    /// Whether an `Idempotency-Key` is taken.
    pub idempotent: bool,
}

/// Something that an endpoint takes of a request.
pub trait Input: Sized {
    /// Whether it reads the body.
    const READS_BODY: bool = false;
    /// Whether it is taken of requests by a page of this service alone.
    const FROM_OWN_PAGE: bool = false;
    /// Takes it.
    fn take(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Self, Problem>>;
    /// Says what it looks like.
    fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator);
}

impl Input for () {
    async fn take(_: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(())
    }
    fn describe(_: &mut Shape, _: &mut SchemaGenerator) {}
}

macro_rules! both {
    ($($name:ident),*) => {
        impl<$($name: Input),*> Input for ($($name,)*) {
            const READS_BODY: bool = $($name::READS_BODY)||*;
            const FROM_OWN_PAGE: bool = $($name::FROM_OWN_PAGE)||*;
            async fn take(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
                Ok(($($name::take(request, payload).await?,)*))
            }
            fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator) {
                $($name::describe(shape, schemas);)*
            }
        }
    };
}
both!(A, B);
both!(A, B, C);

/// The parameters of the path, in their order. What does not parse names nothing: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + 'static> Input for Path<T> {
    async fn take(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        use actix_web::FromRequest as _;
        let path = actix_web::web::Path::<T>::from_request(request, payload).await;
        path.map(|path| Self(path.into_inner())).map_err(|_| Problem::absent())
    }
    fn describe(_: &mut Shape, _: &mut SchemaGenerator) {}
}

/// The members of the query.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + JsonSchema> Input for Query<T> {
    async fn take(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let pairs =
            serde_urlencoded::Deserializer::new(form_urlencoded::parse(request.query_string().as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            Problem::invalid(field(&error.path().to_string(), error.inner(), "query"), error.inner())
        })
    }
    fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator) {
        shape.query = Some(T::json_schema(schemas));
    }
}

/// A JSON body of at most [`BODY_LIMIT`] bytes.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema> Input for Json<T> {
    const READS_BODY: bool = true;
    async fn take(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let body = body(request, payload, JSON).await?;
        parse(&body).map(Self)
    }
    fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator) {
        shape.body = Some((JSON, T::json_schema(schemas)));
    }
}

/// A form of at most [`BODY_LIMIT`] bytes, sent by a page of this service itself: what a browser says comes
/// from elsewhere is refused, since its cookies come along by themselves.
#[derive(Debug)]
pub struct OwnForm<T>(pub T);

impl<T: DeserializeOwned + JsonSchema> Input for OwnForm<T> {
    const READS_BODY: bool = true;
    const FROM_OWN_PAGE: bool = true;
    async fn take(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        OwnPage::take(request, payload).await?;
        Form::take(request, payload).await.map(|Form(form)| Self(form))
    }
    fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator) {
        Form::<T>::describe(shape, schemas);
    }
}

/// A form without members, sent by a page of this service itself.
#[derive(Debug)]
pub struct OwnPage;

impl Input for OwnPage {
    const FROM_OWN_PAGE: bool = true;
    async fn take(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        if from_own_page(request) {
            Ok(Self)
        } else {
            Err(Problem::new(Kind::ForeignPage, "This form is sent by its own page alone."))
        }
    }
    fn describe(_: &mut Shape, _: &mut SchemaGenerator) {}
}

/// The name of a cookie that is no credential of the route.
pub trait CookieName: 'static {
    /// It.
    const NAME: &'static str;
}

/// The value of a cookie that is no credential of the route; two of one name are refused.
#[derive(Debug)]
pub struct FromCookie<N>(pub Option<PlainToken>, PhantomData<N>);

impl<N: CookieName> Input for FromCookie<N> {
    async fn take(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let value = in_cookies(N::NAME, request.headers())?;
        Ok(Self(value.map(|value| PlainToken::new(value.to_owned())), PhantomData))
    }
    fn describe(shape: &mut Shape, _: &mut SchemaGenerator) {
        shape.cookies.push(N::NAME);
    }
}

/// A form of at most [`BODY_LIMIT`] bytes, whoever sends it: for routes that take no cookie.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned + JsonSchema> Input for Form<T> {
    const READS_BODY: bool = true;
    async fn take(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let body = body(request, payload, FORM).await?;
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(&body));
        T::deserialize(pairs).map(Self).map_err(|error| Problem::invalid(field(".", &error, "body"), error))
    }
    fn describe(shape: &mut Shape, schemas: &mut SchemaGenerator) {
        shape.body = Some((FORM, T::json_schema(schemas)));
    }
}

/// Whether the browser says that the request comes from a page of this service (Fetch Metadata, and `Origin`
/// where it is sent). One of them must be there: a caller that sends neither is no page. `Origin: null` says
/// nothing (a page that names no referrer sends it, and so does a sandboxed one), so it takes Fetch Metadata
/// beside it.
fn from_own_page(request: &HttpRequest) -> bool {
    let site = Said::of(request, &HeaderName::from_static("sec-fetch-site"));
    let (origin, host) = (Said::of(request, &ORIGIN), Said::of(request, &HOST));
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, own)| host == Said::Once(own));
    match (site, origin) {
        (Said::Once("same-origin"), Said::Nothing | Said::Once("null")) => true,
        (Said::Once("same-origin") | Said::Nothing, Said::Once(origin)) => own(origin),
        _ => false,
    }
}

/// What a header says that may stand once.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    Once(&'a str),
    Unclear,
}

impl<'a> Said<'a> {
    fn of(request: &'a HttpRequest, name: &HeaderName) -> Self {
        let mut values = request.headers().get_all(name);
        match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => Self::Nothing,
            (Some(Ok(value)), None) => Self::Once(value),
            _ => Self::Unclear,
        }
    }
}

/// The `Origin` that a browser sends for a page.
#[derive(Debug)]
pub struct PageOrigin(pub Option<String>);

impl Input for PageOrigin {
    async fn take(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        match Said::of(request, &ORIGIN) {
            Said::Nothing => Ok(Self(None)),
            Said::Once(origin) => Ok(Self(Some(origin.to_owned()))),
            Said::Unclear => Err(Problem::invalid("Origin", "expected one origin")),
        }
    }
    fn describe(_: &mut Shape, _: &mut SchemaGenerator) {}
}

fn media_type(request: &HttpRequest) -> String {
    let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body, of this media type and as it is: what is compressed is not unpacked.
async fn body(request: &HttpRequest, payload: &mut Payload, media: &str) -> Result<Vec<u8>, Problem> {
    if media_type(request) != media {
        return Err(Problem::new(Kind::MediaType, format!("Send Content-Type: {media}.")));
    }
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::new(Kind::MediaType, "Send the body as it is, without Content-Encoding."));
    }
    in_time(collect(request, payload)).await
}

/// Takes a request of a route that reads no body. One that was sent all the same is dropped, within the limits of
/// every body. Whether there was one.
#[inline]
pub(crate) async fn without_body(request: &HttpRequest, payload: &mut Payload) -> Result<bool, Problem> {
    let announced = || {
        let headers = request.headers();
        headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
    };
    match payload {
        Payload::None => Ok(false),
        _ if !announced() => Ok(false),
        _ => in_time(collect(request, payload)).await.map(|_| true),
    }
}

async fn in_time(body: impl Future<Output = Result<Vec<u8>, Problem>>) -> Result<Vec<u8>, Problem> {
    let late = || Problem::new(Kind::Timeout, "The body took longer than 10 seconds.");
    tokio::time::timeout(BODY_TIME, body).await.map_err(|_| late())?
}

async fn collect(request: &HttpRequest, payload: &mut Payload) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("At most {BODY_LIMIT} bytes are taken."));
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Kind::Invalid, "The body broke off."))?;
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A JSON object; an array is none, though its items could be read as members in their order.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::invalid("body", "expected a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        Problem::invalid(field(&error.path().to_string(), error.inner(), "body"), error.inner())
    })?;
    json.end().map_err(|error| Problem::invalid("body", error))?;
    Ok(parsed)
}

/// The field that is wrong: by the path to it, else by its name in the message; where neither tells, the whole.
fn field(path: &str, error: &impl std::fmt::Display, whole: &str) -> String {
    match path.trim_end_matches(['.', '?']) {
        "" => named_in(error).unwrap_or_else(|| whole.to_owned()),
        known => known.to_owned(),
    }
}

/// The field that a message of serde names, for those that stand at the top: missing, unknown and repeated ones.
fn named_in(error: &impl std::fmt::Display) -> Option<String> {
    let text = error.to_string();
    let known =
        ["missing field", "unknown field", "duplicate field"].iter().any(|start| text.starts_with(start));
    text.split('`').nth(1).filter(|_| known).map(str::to_owned)
}

/// The `Idempotency-Key` of a request that may be sent twice.
#[derive(Debug)]
pub struct Idempotency(Option<String>);

impl Input for Idempotency {
    async fn take(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let mut values = request.headers().get_all("idempotency-key");
        let wrong = || Problem::invalid("Idempotency-Key", "expected 1 to 255 visible characters, once");
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => match value.to_str() {
                Ok(key) if (1..=255).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
    fn describe(shape: &mut Shape, _: &mut SchemaGenerator) {
        shape.idempotent = true;
    }
}

impl Idempotency {
    /// The record of this request: of this caller, route and body. `answer` is what a repetition gets.
    pub fn once(
        &self,
        caller: &dyn std::fmt::Display,
        route: &str,
        body: &impl serde::Serialize,
        answer: String,
    ) -> Option<auth_core::port::Once> {
        let key = self.0.as_ref()?;
        let body = serde_json::to_string(body).unwrap_or_default();
        Some(auth_core::port::Once {
            key: TokenDigest::of(format!("{caller}\n{route}\n{key}")),
            body: TokenDigest::of(&body),
            answer,
        })
    }
}

/// Which page of a list is asked for.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// At most this many items: 1 to 200, by default 50.
    pub limit: Option<u16>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many items the page holds at the most, and what to read for it: one more, which tells whether there is
    /// a next page.
    ///
    /// # Errors
    /// A limit out of range, a cursor that no answer gave.
    pub fn page(&self) -> Result<(u16, Page), Problem> {
        let limit = limit(self.limit)?;
        let before = match &self.cursor {
            None => None,
            Some(cursor) => Some(from_cursor::<16>(cursor)?),
        };
        Ok((limit, Page { limit: limit + 1, before }))
    }
}

/// A limit within 1 to 200; 50 where none is given.
///
/// # Errors
/// One out of range.
pub fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    let limit = asked.unwrap_or(Page::DEFAULT);
    if (1..=Page::MOST).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::invalid("limit", format!("expected 1 to {}", Page::MOST)))
    }
}

/// An opaque cursor for a place.
pub fn to_cursor(place: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(place)
}

/// The place of a cursor.
///
/// # Errors
/// One that no answer gave.
pub fn from_cursor<const N: usize>(cursor: &str) -> Result<[u8; N], Problem> {
    let place = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    place
        .and_then(|place| place.try_into().ok())
        .ok_or_else(|| Problem::invalid("cursor", "not a cursor of this list"))
}

/// The place of a cursor of any length, up to a most.
///
/// # Errors
/// One that no answer gave.
pub fn from_long_cursor(cursor: &str, most: usize) -> Result<Vec<u8>, Problem> {
    let place = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    place
        .filter(|place| (1..=most).contains(&place.len()))
        .ok_or_else(|| Problem::invalid("cursor", "not a cursor of this list"))
}
