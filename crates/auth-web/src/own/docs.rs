//! `GET /openapi.json`, and pages for people: `GET /docs`, `GET /docs/problems`. No script, no foreign content.

use super::{RouteView, routes::Reader};
use crate::{
    endpoint::{Endpoint, Service, Spec},
    openapi,
    problem::{Kind, Problem},
    reply::{Html, Shown, escape},
};
use auth_core::policy::Proof;
use std::fmt::Write as _;

/// The OpenAPI document.
#[derive(Debug)]
pub struct OpenApi;

impl<S: Service> Endpoint<S> for OpenApi {
    type Auth = Reader;
    type Input = ();
    type Output = Shown<&'static serde_json::Value>;
    const SPEC: Spec =
        Spec::get("openapi", "/openapi.json", "The OpenAPI 3.1 document, from the route table.");
    async fn call(_: &S, _: Proof<'_, Reader>, (): ()) -> Result<Self::Output, Problem> {
        Ok(Shown(openapi::document::<S>()))
    }
}

/// The page of all routes.
#[derive(Debug)]
pub struct Docs;

impl<S: Service> Endpoint<S> for Docs {
    type Auth = Reader;
    type Input = ();
    type Output = Html;
    const SPEC: Spec = Spec::get("docs", "/docs", "Every route, for people.");
    async fn call(_: &S, _: Proof<'_, Reader>, (): ()) -> Result<Html, Problem> {
        let mut rows = String::new();
        for row in S::TABLE.rows() {
            let view = RouteView::of(row);
            let requirement = view.because.map_or(view.requirement, |because| format!("public: {because}"));
            line(&mut rows, view.id, &[view.method, view.path, &requirement, view.summary]);
        }
        let head = ["method", "path", "requires", "what it does"];
        Ok(page(&format!("{} routes", S::KIND), &head, &rows))
    }
}

/// The page of all problems.
#[derive(Debug)]
pub struct Problems;

impl<S: Service> Endpoint<S> for Problems {
    type Auth = Reader;
    type Input = ();
    type Output = Html;
    const SPEC: Spec =
        Spec::get("docs_problems", "/docs/problems", "Every kind of problem that is answered.");
    async fn call(_: &S, _: Proof<'_, Reader>, (): ()) -> Result<Html, Problem> {
        let mut rows = String::new();
        for kind in Kind::ALL {
            line(&mut rows, kind.code(), &[&kind.status().to_string(), kind.code(), kind.title()]);
        }
        Ok(page("Problems", &["status", "code", "what it says"], &rows))
    }
}

/// Adds a row, which a fragment of this name leads to.
fn line(rows: &mut String, id: &str, cells: &[&str]) {
    // Writing to a string does not fail.
    let _ = write!(rows, "<tr id=\"{}\">", escape(id));
    for cell in cells {
        let _ = write!(rows, "<td>{}</td>", escape(cell));
    }
    rows.push_str("</tr>\n");
}

fn page(title: &str, head: &[&str], rows: &str) -> Html {
    let head: String = head.iter().map(|cell| format!("<th>{}</th>", escape(cell))).collect();
    let title = escape(title);
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n\
         <p>For tools: <a href=\"/openapi.json\">/openapi.json</a>, <a href=\"/auth/routes\">/auth/routes</a>. \
         For errors: <a href=\"/docs/problems\">/docs/problems</a>.</p>\n\
         <table border=\"1\" cellpadding=\"6\">\n<tr>{head}</tr>\n{rows}</table>\n</html>\n"
    ))
}
