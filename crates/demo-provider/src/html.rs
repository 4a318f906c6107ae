//! Pages without a script.

use crate::answer::{Answer, text, with};
use data_encoding::BASE64;
use hyper::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// What all pages of a site have.
pub(crate) struct Look {
    /// The style sheet.
    pub(crate) style: &'static str,
    /// Who is told where a request comes from.
    pub(crate) referrer: &'static str,
}

/// A page. Its forms may lead to its own site, and from there to these origins: some browsers hold redirects to the policy,
/// too.
pub(crate) fn page(look: &Look, status: StatusCode, title: &str, shown: &Markup, lead_to: &str) -> Answer {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(look.style)) }
            }
            body { main { (shown) } }
        }
    };
    let style = BASE64.encode(&Sha256::digest(look.style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {lead_to}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let answer = text(status, "text/html; charset=utf-8", whole.into_string());
    let answer = with(answer, CONTENT_SECURITY_POLICY, &policy);
    let answer = with(answer, REFERRER_POLICY, look.referrer);
    with(answer, X_CONTENT_TYPE_OPTIONS, "nosniff")
}
