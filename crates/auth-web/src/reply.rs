//! What endpoints give.

use crate::{cors, problem::Problem};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::MessageBody,
    http::{
        StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE},
    },
};
use auth_core::flow::Target;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// An answer that can be sent.
pub trait Reply {
    /// Its status.
    const STATUS: u16;
    /// The answer.
    ///
    /// # Errors
    /// It cannot be written.
    fn respond(self) -> Result<HttpResponse, Problem>;
    /// What its body looks like; `None` where it has none, or one that is no JSON.
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema>;
}

fn start(status: u16) -> HttpResponseBuilder {
    HttpResponseBuilder::new(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
}

fn json<T: Serialize>(status: u16, body: &T) -> Result<HttpResponse, Problem> {
    match serde_json::to_vec(body) {
        Ok(body) => Ok(written(status, body)),
        Err(error) => Err(Problem::internal(format!("an answer could not be written: {error}"))),
    }
}

fn written(status: u16, body: impl MessageBody + 'static) -> HttpResponse {
    let json = HeaderValue::from_static("application/json");
    start(status).insert_header((CONTENT_TYPE, json)).body(body)
}

/// `200` with JSON.
#[derive(Debug)]
pub struct Shown<T>(pub T);

impl<T: Serialize + JsonSchema> Reply for Shown<T> {
    const STATUS: u16 = 200;
    fn respond(self) -> Result<HttpResponse, Problem> {
        json(Self::STATUS, &self.0)
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// `201` with JSON.
#[derive(Debug)]
pub struct Created<T>(pub T);

impl<T: Serialize + JsonSchema> Reply for Created<T> {
    const STATUS: u16 = 201;
    fn respond(self) -> Result<HttpResponse, Problem> {
        json(Self::STATUS, &self.0)
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// `202` with JSON: what comes of it is not said.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

impl<T: Serialize + JsonSchema> Reply for Accepted<T> {
    const STATUS: u16 = 202;
    fn respond(self) -> Result<HttpResponse, Problem> {
        json(Self::STATUS, &self.0)
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// An answer that may be the first one, sent again for a repeated request.
#[derive(Debug)]
pub enum Once<T, const STATUS: u16> {
    /// It was made now.
    Now(T),
    /// It was made before: the stored answer.
    Before(String),
}

impl<T: Serialize + JsonSchema, const STATUS: u16> Reply for Once<T, STATUS> {
    const STATUS: u16 = STATUS;
    fn respond(self) -> Result<HttpResponse, Problem> {
        match self {
            Self::Now(body) => json(Self::STATUS, &body),
            Self::Before(body) => Ok(written(Self::STATUS, body)),
        }
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// `204`.
#[derive(Debug)]
pub struct Done;

impl Reply for Done {
    const STATUS: u16 = 204;
    fn respond(self) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::NoContent().finish())
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// `303` to another address of this service, with cookies. No address is made of what somebody sent.
#[derive(Debug)]
pub struct SeeOther {
    /// Where to.
    pub location: &'static str,
    /// The whole values of `Set-Cookie`.
    pub cookies: Vec<String>,
}

impl Reply for SeeOther {
    const STATUS: u16 = 303;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = start(Self::STATUS);
        answer.insert_header((LOCATION, self.location));
        for cookie in self.cookies {
            answer.append_header((SET_COOKIE, cookie));
        }
        Ok(answer.finish())
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// `303` to an address that the configuration lists, with cookies. They are secrets: it is not printed.
pub struct LedOn {
    /// Where to.
    pub target: Target,
    /// The whole values of `Set-Cookie`.
    pub cookies: Vec<String>,
}

impl Reply for LedOn {
    const STATUS: u16 = 303;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = start(Self::STATUS);
        answer.insert_header((LOCATION, self.target.as_str()));
        for cookie in self.cookies {
            answer.append_header((SET_COOKIE, cookie));
        }
        Ok(answer.finish())
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// An answer with cookies. They are secrets: it is not printed.
pub struct WithCookies<T> {
    /// The answer.
    pub reply: T,
    /// The whole values of `Set-Cookie`.
    pub cookies: Vec<String>,
}

impl<T: Reply> Reply for WithCookies<T> {
    const STATUS: u16 = T::STATUS;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = self.reply.respond()?;
        for cookie in self.cookies {
            let value = HeaderValue::try_from(cookie);
            let value = value.map_err(|_| Problem::internal("a cookie that is none"))?;
            answer.headers_mut().append(SET_COOKIE, value);
        }
        Ok(answer)
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        T::schema(schemas)
    }
}

/// `204` where something is done, or `202` with what it looks like until it is.
#[derive(Debug)]
pub enum DoneOr<T> {
    /// It is done.
    Done,
    /// It was begun, and will be done.
    Begun(T),
}

impl<T: Serialize + JsonSchema> Reply for DoneOr<T> {
    const STATUS: u16 = 204;
    fn respond(self) -> Result<HttpResponse, Problem> {
        match self {
            Self::Done => Done.respond(),
            Self::Begun(body) => Accepted(body).respond(),
        }
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// Pages load nothing, run nothing, are framed by nobody, and send their forms to this service alone.
const PAGE_POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `200` with a page that runs no script.
#[derive(Debug)]
pub struct Html(pub String);

impl Reply for Html {
    const STATUS: u16 = 200;
    fn respond(self) -> Result<HttpResponse, Problem> {
        Ok(start(Self::STATUS)
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")))
            .insert_header((CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)))
            .body(self.0))
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// What a page with a form says of referrers: see [`FormPage`].
pub(crate) const FORM_REFERRER: &str = "same-origin";

/// `200` with a page that holds a form. A browser that may name no referrer sends `Origin: null` with a form,
/// so such a page names one to this service (Fetch, "append a request `Origin` header").
#[derive(Debug)]
pub struct FormPage(pub String);

impl Reply for FormPage {
    const STATUS: u16 = 200;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = Html(self.0).respond()?;
        answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static(FORM_REFERRER));
        Ok(answer)
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// An answer that a page of another origin may read (Fetch, CORS protocol); no credentials mode.
#[derive(Debug)]
pub struct ForPage<T> {
    /// The answer.
    pub reply: T,
    /// The origin, if it was sent and is allowed.
    pub origin: Option<String>,
}

impl<T: Reply> Reply for ForPage<T> {
    const STATUS: u16 = T::STATUS;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = self.reply.respond()?;
        let origin = self.origin.and_then(|origin| HeaderValue::from_str(&origin).ok());
        cors::allow(answer.headers_mut(), origin);
        Ok(answer)
    }
    fn schema(schemas: &mut SchemaGenerator) -> Option<Schema> {
        T::schema(schemas)
    }
}

/// `204` that tells a page's browser what it may send (Fetch, CORS preflight).
#[derive(Debug)]
pub struct Preflight;

impl Reply for Preflight {
    const STATUS: u16 = 204;
    fn respond(self) -> Result<HttpResponse, Problem> {
        Ok(HttpResponse::NoContent()
            .insert_header(("access-control-allow-methods", "POST"))
            .insert_header(("access-control-allow-headers", "authorization, content-type"))
            .insert_header(("access-control-max-age", "600"))
            .finish())
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The cursor of the next page; `null` where this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// A page of at most `limit` items. One more than that was asked for, which tells whether there is a next
    /// page; `place` tells the place of the last item.
    pub fn new<Item>(
        mut found: Vec<Item>,
        limit: u16,
        place: impl Fn(&Item) -> Vec<u8>,
        view: impl FnMut(Item) -> T,
    ) -> Self {
        let more = found.len() > usize::from(limit);
        found.truncate(limit.into());
        let next_cursor = found.last().filter(|_| more).map(|last| crate::input::to_cursor(&place(last)));
        Self { items: found.into_iter().map(view).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("canary"))
        }
    }

    #[test]
    fn an_answer_that_cannot_be_written_is_a_problem() {
        let problem = json(200, &Broken).map(drop).unwrap_err();
        assert_eq!(problem.kind(), Kind::Internal);
        let answer = problem.respond("hub", "x");
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        assert!(!format!("{:?}", answer.body()).contains("canary"));
    }

    #[test]
    fn a_list_ends_where_nothing_follows() {
        let listed = |found: &[u8]| Listed::new(found.to_vec(), 2, |item| vec![*item], |item| item);
        for (found, items, more) in [
            (&[][..], &[][..], false),
            (&[9], &[9], false),
            (&[9, 8], &[9, 8], false),
            (&[9, 8, 7], &[9, 8], true),
        ] {
            let page = listed(found);
            assert_eq!((page.items.as_slice(), page.next_cursor.is_some()), (items, more));
        }
    }
}
