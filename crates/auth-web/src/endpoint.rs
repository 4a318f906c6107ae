//! What an endpoint declares, and the table that is the only way to mount one.

use crate::{
    credential::Place,
    enter::enter,
    front::App,
    input::{Input, Shape},
    page::Page,
    problem::Problem,
    reply::Reply,
};
use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Payload},
};
use auth_core::{
    flow::Platform,
    policy::{Proof, Requirement, Rule},
    principal::Principal,
};
use futures_util::future::LocalBoxFuture;
use schemars::{Schema, SchemaGenerator};
use std::num::NonZeroU32;

/// A service: its table and what its endpoints work with.
pub trait Service: Send + Sync + Sized + 'static {
    /// Which service it is.
    const KIND: auth_core::service::Service;
    /// All of its routes.
    const TABLE: Table<Self>;
    /// The core that it stands on.
    fn platform(&self) -> &Platform;
    /// Whether it can do what needs more than the store.
    fn is_ready(&self) -> bool {
        true
    }
    /// What it does by itself once an hour, and first when it starts.
    fn upkeep(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// The page that tells somebody a problem of a route whose answers are [pages](Spec::page).
    fn problem_page(&self, _route: &'static str, _who: Option<Principal>, problem: &Problem) -> Page {
        Page::of(problem)
    }
    /// Whether a page of this origin may read a refusal by a route that is [for pages](Spec::for_pages).
    fn allows_page(&self, _who: Option<Principal>, _origin: &str) -> impl Future<Output = bool> {
        std::future::ready(false)
    }
}

/// One operation of a service.
pub trait Endpoint<S: Service>: 'static {
    /// Who may call it.
    type Auth: Requirement;
    /// What it takes; read only after the decision.
    type Input: Input;
    /// What it gives.
    type Output: Reply;
    /// Everything else that is said of it.
    const SPEC: Spec;
    /// Does it.
    fn call(
        service: &S,
        who: Proof<'_, Self::Auth>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Problem>>;
}

/// The methods that tables use. A `GET` row that leaves no audit event answers `HEAD` too (RFC 9110 §9.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "RFC 9110 §9.3 says what they are")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What is said of a route beside its types.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Its operation id, such as `api_key_rotate`.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The action of the audit event that it leaves, if it changes anything.
    pub audit: Option<&'static str>,
    /// Requests a minute and source, where the route limits them.
    pub throttle: Option<NonZeroU32>,
    /// The route with which it is counted: itself, or one that does the same.
    pub counted_with: &'static str,
    /// Where it looks for the credential.
    pub place: Place,
    /// Whether pages of other origins call it.
    pub for_pages: bool,
    /// Whether it answers pages of our own: refusals too, to whom asks for one.
    pub is_page: bool,
    /// A query that it takes, for documents and tests; `{…}` stands for what the caller knows.
    pub query: &'static str,
    /// A body that it takes, likewise.
    pub body: &'static str,
}

impl Spec {
    /// A route that reads.
    pub const fn get(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(id, Method::Get, path, summary)
    }
    /// A route.
    pub const fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Self {
        let (audit, throttle, place) = (None, None, Place::Header);
        let (for_pages, is_page, query, body) = (false, false, "", "");
        let counted_with = id;
        Self {
            id,
            method,
            path,
            summary,
            audit,
            throttle,
            counted_with,
            place,
            for_pages,
            is_page,
            query,
            body,
        }
    }
    /// Whether it answers `HEAD`: a `GET` that changes something does not, since `HEAD` asks without effect.
    pub const fn answers_head(&self) -> bool {
        matches!(self.method, Method::Get) && self.audit.is_none()
    }
    /// Names the audit event that it leaves.
    #[must_use]
    pub const fn audited(self, action: &'static str) -> Self {
        Self { audit: Some(action), ..self }
    }
    /// Limits it to so many requests a minute and source.
    #[must_use]
    pub const fn throttled(self, per_minute: u32) -> Self {
        Self { throttle: NonZeroU32::new(per_minute), ..self }
    }
    /// Counts it with another route, that does the same.
    #[must_use]
    pub const fn counted_with(self, id: &'static str) -> Self {
        Self { counted_with: id, ..self }
    }
    /// Looks for the credential elsewhere than in a header.
    #[must_use]
    pub const fn credential_in(self, place: Place) -> Self {
        Self { place, ..self }
    }
    /// Lets the pages that the service allows read what it answers, refusals too.
    #[must_use]
    pub const fn for_pages(self) -> Self {
        Self { for_pages: true, ..self }
    }
    /// Answers pages, also where it refuses.
    #[must_use]
    pub const fn page(self) -> Self {
        Self { is_page: true, ..self }
    }
    /// Whether it does something for whoever a browser says that somebody is, or answers a page that logs them in.
    const fn takes_forms(&self) -> bool {
        let by_browser = self.is_page || matches!(self.place, Place::Cookie(_) | Place::Page(_));
        by_browser && !matches!(self.method, Method::Get)
    }
    /// Gives an example of its query.
    #[must_use]
    pub const fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }
    /// Gives an example of its body.
    #[must_use]
    pub const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
}

/// How a request reaches an endpoint.
pub(crate) type Handler<S> = fn(Data<App<S>>, HttpRequest, Payload) -> LocalBoxFuture<'static, HttpResponse>;

/// One row of a table. Only [`row`] makes one: by hand, or changed from another, none compiles.
///
/// ```compile_fail,E0451
/// # use auth_web::{Row, Service};
/// fn open<S: Service>() -> Option<Row<S>> {
///     S::TABLE.rows().first().map(|row| Row {
///         spec: row.spec,
///         rule: auth_core::policy::Rule::Public { because: "it was made by hand" },
///         status: 200,
///         enter: todo!(),
///         input: todo!(),
///         output: todo!(),
///     })
/// }
/// ```
pub struct Row<S> {
    /// What is said of the route.
    pub spec: Spec,
    /// What it requires.
    pub rule: Rule,
    /// The status of its good answer.
    pub status: u16,
    pub(crate) enter: Handler<S>,
    pub(crate) input: fn(&mut Shape, &mut SchemaGenerator),
    pub(crate) output: fn(&mut SchemaGenerator) -> Option<Schema>,
}

/// The row of an endpoint. A public rule without a reason, or a rule that admits nobody, does not compile:
///
/// ```compile_fail
/// use auth_core::policy::{Nobody, Proof, Requirement, Rule};
/// use auth_web::{Endpoint, Problem, Service, Spec, Table, row, reply::Done};
/// # struct S;
/// # impl Service for S {
/// #   const KIND: auth_core::service::Service = auth_core::service::Service::Hub;
/// #   const TABLE: Table<Self> = Table(&[]);
/// #   fn platform(&self) -> &auth_core::flow::Platform { unimplemented!() }
/// # }
/// struct Open;
/// impl Requirement for Open { const RULE: Rule = Rule::Public { because: "" }; type Subject = Nobody; }
/// struct Hello;
/// impl Endpoint<S> for Hello {
///     type Auth = Open; type Input = (); type Output = Done;
///     const SPEC: Spec = Spec::get("hello", "/hello", "Says hello.");
///     async fn call(_: &S, _: Proof<'_, Open>, (): ()) -> Result<Done, Problem> { Ok(Done) }
/// }
/// const ROWS: Table<S> = Table(&[row::<S, Hello>()]);
/// fn main() { let _ = ROWS; }
/// ```
///
/// Nor does what a browser sends by itself, with its cookies, where it is not taken from our own pages alone:
///
/// ```compile_fail
/// use auth_core::policy::{Nobody, Proof, Requirement, Rule};
/// use auth_web::{Endpoint, Method, Problem, Service, Spec, Table, input::Form, row, reply::Done};
/// # struct S;
/// # impl Service for S {
/// #   const KIND: auth_core::service::Service = auth_core::service::Service::Hub;
/// #   const TABLE: Table<Self> = Table(&[]);
/// #   fn platform(&self) -> &auth_core::flow::Platform { unimplemented!() }
/// # }
/// struct Open;
/// impl Requirement for Open { const RULE: Rule = Rule::Public { because: "x" }; type Subject = Nobody; }
/// struct Hello;
/// impl Endpoint<S> for Hello {
///     type Auth = Open; type Input = Form<String>; type Output = Done;
///     const SPEC: Spec = Spec::new("hello", Method::Post, "/hello", "Says hello.").page();
///     async fn call(_: &S, _: Proof<'_, Open>, _: Form<String>) -> Result<Done, Problem> { Ok(Done) }
/// }
/// const ROWS: Table<S> = Table(&[row::<S, Hello>()]);
/// fn main() { let _ = ROWS; }
/// ```
pub const fn row<S: Service, E: Endpoint<S>>() -> Row<S> {
    const {
        match <E::Auth as Requirement>::RULE {
            Rule::Public { because } => assert!(!because.is_empty(), "a public route says why it is public"),
            Rule::AnyOf(needs) => assert!(!needs.is_empty(), "a rule admits somebody"),
        }
        assert!(matches!(E::SPEC.path.as_bytes(), [b'/', ..]), "a path begins with a slash");
        let own = <E::Input as Input>::FROM_OWN_PAGE || !E::SPEC.takes_forms();
        assert!(own, "what a browser sends by itself is taken from our own pages alone");
    }
    Row {
        spec: E::SPEC,
        rule: <E::Auth as Requirement>::RULE,
        status: <E::Output as Reply>::STATUS,
        enter: enter::<S, E>,
        input: <E::Input as Input>::describe,
        output: <E::Output as Reply>::schema,
    }
}

/// All routes of a service.
pub struct Table<S: 'static>(pub &'static [Row<S>]);

impl<S> Table<S> {
    /// The rows.
    pub const fn rows(&self) -> &'static [Row<S>] {
        self.0
    }
}
