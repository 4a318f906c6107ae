//! Pages for people: HTML whose one style sheet, and whose one script where there is any, stand in them. What is text is
//! escaped by its type: only [`maud`] makes markup, and it makes none of a text.

use crate::{
    problem::Problem,
    reply::{FORM_REFERRER, Reply},
};
use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::header::{
        ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_OPENER_POLICY, HeaderMap, HeaderValue,
        REFERRER_POLICY,
    },
};
use auth_core::secret::TokenDigest;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use schemars::{Schema, SchemaGenerator};
use std::sync::LazyLock;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:38rem;padding:1rem}\
label{display:block;margin-top:.75rem}\
input{box-sizing:border-box;font:inherit;max-width:24rem;padding:.4rem;width:100%}\
button{font:inherit;margin-top:.75rem;padding:.4rem 1rem}\
[role=alert]{border-left:.3rem solid #c00;padding:.1rem .75rem}\
table{border-collapse:collapse}td,th{padding:.3rem .75rem .3rem 0;text-align:left;vertical-align:top}\
td button{margin-top:0}code{overflow-wrap:anywhere}svg{background:#fff;max-width:16rem}";

/// Of pages that run nothing.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(None));

/// Pages load nothing, have this style and no other, run nothing but their own script, are framed by nobody, and send their
/// forms to this service alone (CSP 3 §8.3: what may run is named by its hash, wherever it stands).
fn policy(script: Option<&str>) -> HeaderValue {
    let hash = |text| data_encoding::BASE64.encode(TokenDigest::of(text).as_bytes());
    let script = script.map(|script| format!("script-src 'sha256-{}'; ", hash(script)));
    let policy = format!(
        "default-src 'none'; {}style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        script.unwrap_or_default(),
        hash(STYLE),
    );
    HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// `200` with a page.
#[derive(Debug)]
pub struct Page {
    text: String,
    policy: HeaderValue,
    referrer: &'static str,
}

impl Page {
    /// A page with a title and what stands beneath it.
    pub fn new(title: &str, beneath: &Markup) -> Self {
        Self { text: Self::text(title, beneath, None), policy: POLICY.clone(), referrer: FORM_REFERRER }
    }

    /// The same, with a script, which runs once the page is there. It does not contain `</script`.
    pub fn with_script(title: &str, beneath: &Markup, script: &'static str) -> Self {
        Self {
            text: Self::text(title, beneath, Some(script)),
            policy: policy(Some(script)),
            referrer: FORM_REFERRER,
        }
    }

    fn text(title: &str, beneath: &Markup, script: Option<&'static str>) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (title) }
                        (beneath)
                    }
                    @if let Some(script) = script { script { (PreEscaped(script)) } }
                }
            }
        };
        page.into_string()
    }

    /// The page that tells a problem, and no more.
    pub fn of(problem: &Problem) -> Self {
        Self::new(problem.kind().title(), &html! { p role="alert" { (problem.detail()) } })
    }

    /// The same, whose address nobody is told who is asked from it: for one without a form, whose address holds secrets.
    #[must_use]
    pub fn without_referrer(self) -> Self {
        Self { referrer: "no-referrer", ..self }
    }

    /// This page as the answer instead of a problem, with its status and whatever else stands in its head.
    pub(crate) fn in_place_of(self, problem: HttpResponse) -> HttpResponse {
        let mut answer = problem.set_body(BoxBody::new(self.text));
        head(answer.headers_mut(), self.policy, self.referrer);
        answer
    }
}

impl Reply for Page {
    const STATUS: u16 = 200;
    fn respond(self) -> Result<HttpResponse, Problem> {
        let mut answer = HttpResponse::Ok().body(self.text);
        head(answer.headers_mut(), self.policy, self.referrer);
        Ok(answer)
    }
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

fn head(headers: &mut HeaderMap, policy: HeaderValue, referrer: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    // Whoever opened it has no hold on its window.
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

/// Whether whoever asks wants a page rather than what is for programs (RFC 9110 §12.5.1): browsers that lead somebody to a
/// page name its type; what says that it takes anything is no browser.
pub(crate) fn is_asked_for(request: &HttpRequest) -> bool {
    let lines = request.headers().get_all(ACCEPT).filter_map(|line| line.to_str().ok());
    let mut types = lines.flat_map(|line| line.split(','));
    types.any(|one| one.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("text/html")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn what_is_text_makes_no_markup() {
        let hostile = "<script>alert('1')</script>\"&<!--";
        let problem = Problem::invalid(hostile, hostile);
        let pages = [Page::new(hostile, &html! { a href=(hostile) { (hostile) } }), Page::of(&problem)];
        for Page { text, .. } in pages {
            assert!(!text.contains("<script") && !text.contains("<!--") && !text.contains("\"&<"), "{text}");
            assert!(text.contains("&lt;script&gt;"), "{text}");
        }
    }

    #[test]
    fn the_policy_names_what_stands_in_a_page() {
        const SCRIPT: &str = "'use strict' && \"1\" > 0;";
        let hash = |text| data_encoding::BASE64.encode(TokenDigest::of(text).as_bytes());
        let within = |text: &str, tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once(&format!("</{tag}>")).unwrap().0.to_owned()
        };
        let plain = Page::new("Title", &html! {});
        let scripted = Page::with_script("Title", &html! {}, SCRIPT);
        for (page, script) in [(plain, None), (scripted, Some(SCRIPT))] {
            assert_eq!(within(&page.text, "style"), STYLE, "as it is, and not escaped");
            let policy = page.policy.to_str().unwrap();
            assert!(policy.contains(&format!("; style-src 'sha256-{}'; ", hash(STYLE))), "{policy}");
            match script {
                Some(script) => {
                    assert_eq!(within(&page.text, "script"), script);
                    assert!(
                        policy.contains(&format!("; script-src 'sha256-{}'; ", hash(script))),
                        "{policy}"
                    );
                }
                None => assert!(!page.text.contains("<script") && !policy.contains("script-src"), "{policy}"),
            }
        }
    }

    #[test]
    fn a_page_is_for_whoever_names_its_type() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.1", true),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header((ACCEPT, accept)).to_http_request();
            assert_eq!(is_asked_for(&request), page, "{accept}");
        }
        assert!(!is_asked_for(&TestRequest::default().to_http_request()));
    }
}
