//! Problems (RFC 9457), and the one table of statuses. `docs/problems.md` says what each means to a caller and
//! to an operator.

use actix_web::http::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use auth_core::{
    error::{Denial, FlowError, Refusal, StoreError},
    policy::{Assurance, Need},
    port::ProviderError,
    principal::FRESH,
};
use std::time::Duration;

/// Why a request was not answered as asked. No secret, SQL or stack in any of them. One pointer, so that a good
/// answer is not passed on as the widest problem would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Content>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    kind: Kind,
    detail: String,
    /// The field that is wrong, where one is.
    field: Option<Box<str>>,
    challenge: Challenge,
    retry_after: Option<Duration>,
    /// What went wrong, for the log; the caller is not told.
    fault: Option<Box<str>>,
    /// What is refused, for the audit trail; the caller is not told.
    cause: &'static str,
}

/// When to come back where nothing better is known.
const AGAIN: Duration = Duration::from_secs(1);

/// What a challenge says (RFC 6750 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    None,
    /// No credential was sent: the realm alone.
    Realm,
    InvalidToken,
    InsufficientScope(&'static [Need]),
    /// RFC 9470 §3.
    StepUp(Assurance),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The kinds of problem: status, stable code, title. The one status table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];
            /// The status.
            pub fn status(self) -> u16 {
                self.status_code().as_u16()
            }
            const fn status_code(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }
            /// The stable machine word.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }
            /// The title.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// A value that cannot be taken.
    Invalid = BAD_REQUEST, "invalid_request", "The request cannot be taken as it is";
    /// A callback that fits nothing that was begun here.
    InvalidState = BAD_REQUEST, "invalid_state", "This was not begun here, or is over";
    /// A callback that does, and linked nothing.
    NotConnected = BAD_REQUEST, "not_connected", "The calendar was not linked";
    /// No good credential.
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "A valid credential is required";
    /// The right person, who must prove themself by a second factor first.
    StepUp = UNAUTHORIZED, "insufficient_user_authentication", "A stronger or newer login is needed";
    /// A good credential that lacks what the route asks for.
    Forbidden = FORBIDDEN, "insufficient_scope", "The credential does not allow this";
    /// A good key, from an address outside its networks.
    Network = FORBIDDEN, "network_not_allowed", "The credential may not be used from this address";
    /// A form that its own page did not send.
    ForeignPage = FORBIDDEN, "foreign_page", "The request comes from another site's page";
    /// More than the caller itself may.
    Excess = FORBIDDEN, "beyond_own_rights", "Nobody can give more than they have";
    /// Not there, or not the caller's.
    Absent = NOT_FOUND, "not_found", "There is no such thing here";
    /// The path exists, the method does not.
    Method = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    /// The state of the object forbids it, or the name is taken.
    Conflict = CONFLICT, "conflict", "The request conflicts with what is there";
    /// A user of a provider has to consent again.
    NeedsConsent = CONFLICT, "needs_consent", "The user has to consent again";
    /// The body is too large.
    TooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    /// The body is not of the type that is taken, by its own word.
    MediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is not of a type that is taken here";
    /// The body did not arrive in time.
    Timeout = REQUEST_TIMEOUT, "timeout", "The body did not arrive in time";
    /// Too often.
    Throttled = TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    /// The store cannot answer.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service cannot answer now";
    /// A service behind this one did not answer.
    Upstream = BAD_GATEWAY, "upstream_failed", "A service behind this one did not answer";
    /// A fault of ours.
    Internal = INTERNAL_SERVER_ERROR, "internal_error", "The service failed";
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (detail, cause, challenge) = (detail.into(), kind.code(), Challenge::None);
        let retry_after = (kind == Kind::Unavailable).then_some(AGAIN);
        Self(Box::new(Content { kind, detail, field: None, challenge, retry_after, fault: None, cause }))
    }
    /// The same, with what went wrong: it is logged with the request's id, and the caller is not told.
    #[must_use]
    pub fn because(mut self, fault: impl Into<String>) -> Self {
        self.0.fault = Some(fault.into().into());
        self
    }
    /// A fault of ours.
    pub fn internal(fault: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "The fault was logged under this request's id.").because(fault)
    }
    /// A value that cannot be taken; `field` names it.
    pub fn invalid(field: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        let field = field.into();
        let detail = if field.is_empty() { reason.to_string() } else { format!("{field}: {reason}") };
        let mut problem = Self::new(Kind::Invalid, detail);
        problem.0.field = (!field.is_empty()).then(|| field.into());
        problem
    }
    /// Not there, or not the caller's: one body for both.
    pub fn absent() -> Self {
        Self::new(Kind::Absent, "It does not exist, or is not yours.")
    }
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.0.kind
    }
    /// What the caller is told of it.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
    /// The field that is wrong, where one is.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }
    /// When to come back, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
    /// What is refused, in the words of the audit trail.
    pub(crate) const fn cause(&self) -> &'static str {
        self.0.cause
    }
    /// Whether it is a refusal, which the audit trail counts.
    pub(crate) const fn is_refusal(&self) -> bool {
        use Kind::{
            Absent, Excess, Forbidden, ForeignPage, InvalidState, Network, StepUp, Throttled, Unauthenticated,
        };
        matches!(
            self.0.kind,
            Unauthenticated
                | StepUp
                | Forbidden
                | ForeignPage
                | InvalidState
                | Network
                | Excess
                | Absent
                | Throttled
        )
    }

    /// The answer to send. What went wrong is logged.
    pub(crate) fn respond(&self, realm: &str, request_id: &str) -> HttpResponse {
        let Content { kind, detail, field, challenge, retry_after, fault, .. } = &*self.0;
        if let Some(fault) = fault {
            tracing::error!(request_id, code = kind.code(), fault = &**fault, "a request failed");
        }
        let mut answer = HttpResponseBuilder::new(kind.status_code());
        answer.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if let Some(challenge) = challenge.text(realm) {
            answer.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer.insert_header((RETRY_AFTER, seconds.max(1)));
        }
        let mut body = serde_json::json!({
            "type": format!("/docs/problems#{}", kind.code()),
            "title": kind.title(),
            "status": kind.status(),
            "detail": detail,
            "code": kind.code(),
            "request_id": request_id,
        });
        if let (Some(field), Some(members)) = (field, body.as_object_mut()) {
            members.insert("field".to_owned(), (&**field).into());
        }
        answer.body(body.to_string())
    }
}

impl Challenge {
    fn text(self, realm: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Realm => Some(format!("Bearer realm=\"{realm}\"")),
            Self::InvalidToken => Some(format!("Bearer realm=\"{realm}\", error=\"invalid_token\"")),
            Self::StepUp(proof) => {
                let (acr, max_age) = (proof.acr(), FRESH.as_secs());
                Some(format!(
                    "Bearer realm=\"{realm}\", error=\"insufficient_user_authentication\", acr_values=\"{acr}\", \
                     max_age={max_age}"
                ))
            }
            Self::InsufficientScope(missing) => {
                let scope: Vec<_> = missing.iter().map(|need| need.scope()).collect();
                let scope = scope.join(" ");
                Some(format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{scope}\""))
            }
        }
    }
}

impl From<Denial> for Problem {
    #[cold]
    #[inline(never)]
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unauthenticated(cause) => {
                let challenge = match cause {
                    Refusal::NoCredential => Challenge::Realm,
                    _ => Challenge::InvalidToken,
                };
                let mut problem = Self::new(Kind::Unauthenticated, "No valid credential was presented.");
                (problem.0.challenge, problem.0.cause) = (challenge, cause.name());
                problem
            }
            Denial::Forbidden { missing } => {
                let needs: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let detail = format!("This needs {}.", needs.join(" or "));
                let mut problem = Self::new(Kind::Forbidden, detail);
                problem.0.challenge = Challenge::InsufficientScope(missing);
                problem
            }
            Denial::StepUp(proof) => {
                let detail = match proof {
                    Assurance::Login | Assurance::FreshLogin => {
                        "Log in again: this takes a login of the last 15 minutes."
                    }
                    Assurance::Role | Assurance::Mfa => "Log in with a second factor.",
                    Assurance::FreshMfa => "Log in with a second factor, within the last 15 minutes.",
                };
                let mut problem = Self::new(Kind::StepUp, detail);
                problem.0.challenge = Challenge::StepUp(proof);
                problem
            }
            // Whoever registers with somebody's address, and logs in, does not learn whether it was free.
            Denial::Unverified => {
                let mut problem = Self::from(Denial::Unauthenticated(Refusal::Unknown));
                problem.0.cause = "unverified";
                problem
            }
            Denial::Network => Self::new(Kind::Network, "The key's allowed_cidrs do not hold your address."),
            Denial::Excess(excess) => Self::new(Kind::Excess, format!("Refused: {excess}.")),
            Denial::Throttled { retry_after } => {
                let mut problem = Self::new(Kind::Throttled, "A limit is used up. Come back later.");
                problem.0.retry_after = Some(retry_after);
                problem
            }
            Denial::Absent => Self::absent(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => {
                let why = format!("the store did not answer: {why}");
                Self::new(Kind::Unavailable, "The store cannot answer. Try again.").because(why)
            }
            StoreError::Damaged(what) => Self::internal(format!("the store holds what cannot be: {what}")),
        }
    }
}

impl From<FlowError> for Problem {
    #[cold]
    #[inline(never)]
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Denied(denial) => denial.into(),
            FlowError::Invalid { field, reason } => Self::invalid(field, reason),
            FlowError::Busy(wait) => {
                let mut problem = Self::new(Kind::Unavailable, "Too much is under way. Try again.");
                problem.0.retry_after = Some(wait);
                problem
            }
            FlowError::Conflict(what) => Self::new(Kind::Conflict, what),
            FlowError::InvalidState => {
                Self::new(Kind::InvalidState, "Begin again where you want to link the calendar.")
            }
            FlowError::NotConnected(why) => Self::new(Kind::NotConnected, format!("Not linked: {why}.")),
            FlowError::NeedsConsent => {
                Self::new(Kind::NeedsConsent, "The provider takes the connection's tokens no more.")
            }
            FlowError::Provider(ProviderError::Busy) => {
                Self::new(Kind::Unavailable, "Too much is asked of the provider. Try again.")
            }
            FlowError::Provider(error) => {
                Self::new(Kind::Upstream, "The provider of the calendar did not do its part.")
                    .because(error.to_string())
            }
            FlowError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex, PoisonError};

    /// What is logged while `work` runs.
    fn logged(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Lines {
            fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).write(text)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let kept = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = kept.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_went_wrong_is_logged_with_the_requests_id_and_told_to_nobody() {
        for problem in [
            Problem::from(StoreError::Unavailable("canary".to_owned())),
            Problem::from(StoreError::Damaged("canary".to_owned())),
            Problem::new(Kind::Upstream, "It did not answer.").because("canary"),
        ] {
            let mut answer = None;
            let line = logged(|| answer = Some(problem.respond("hub", "the-request")));
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["request_id"], "the-request");
            assert!(line["fault"].as_str().unwrap().contains("canary"), "{line}");
            let body = answer.unwrap().into_body();
            assert!(!format!("{body:?}").contains("canary"), "{body:?}");
        }
        let silent = logged(|| drop(Problem::absent().respond("hub", "the-request")));
        assert_eq!(silent, "");
    }

    #[test]
    fn every_503_says_when_to_come_back() {
        for problem in [
            Problem::new(Kind::Unavailable, "not now"),
            Problem::from(StoreError::Unavailable("locked".to_owned())),
        ] {
            let answer = problem.respond("hub", "x");
            assert_eq!(answer.headers().get(RETRY_AFTER).unwrap(), "1");
        }
    }
}
