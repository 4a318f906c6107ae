//! `policy explain`: which requirement applies to a request, and why its answer would be what it is.

use crate::{
    arguments::{Explain, Place, Policy},
    output::{Report, print},
    place::Desk,
};
use auth_core::{
    error::{Denial, FlowError, Refusal},
    policy::{Rule, Verdict, judge},
    principal::Principal,
    service::Service,
};
use auth_web::{Problem, Service as _, Table, endpoint::Row, problem::Kind};
use chatbot_service::Chatbot;
use hub_service::Hub;
use serde::Serialize;
use std::io::Read as _;

pub(crate) async fn run(place: &Place, Policy::Explain(asked): Policy, json: bool) -> Result<(), String> {
    let key = read_key(&asked)?;
    let desk = match &key {
        Some(_) => Some(place.operate().await?),
        // The tables say the rest: no store is needed.
        None => None,
    };
    let mut explained = Vec::new();
    for service in Service::ALL.into_iter().filter(|one| asked.service.is_none_or(|wanted| wanted == *one)) {
        let found = match service {
            Service::Hub => find(&Hub::TABLE, &asked.method, &asked.path),
            Service::Chatbot => find(&Chatbot::TABLE, &asked.method, &asked.path),
        };
        let (route, answer) = match found {
            Found::Route(route) => {
                let answer = answer(desk.as_ref(), service, &route, key.as_deref(), &asked).await;
                (Some(route), answer)
            }
            Found::OtherMethods(methods) => {
                (None, Answer::refused(Kind::Method, format!("the path has {}", methods.join(", "))))
            }
            Found::Nothing => (None, Answer::refused(Kind::Absent, "no route has this path".to_owned())),
        };
        explained.push(Explained { service: service.name(), route, answer });
    }
    // A path of one service alone is explained for that one alone.
    let absent = Kind::Absent.status();
    if explained.iter().any(|one| one.answer.status != absent) {
        explained.retain(|one| one.answer.status != absent);
    }
    print(json, &Explanation { request: format!("{} {}", asked.method, asked.path), explained })
}

fn read_key(asked: &Explain) -> Result<Option<String>, String> {
    let Some(file) = &asked.key_file else { return Ok(asked.key.clone()) };
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

enum Found {
    Route(Route),
    OtherMethods(Vec<&'static str>),
    Nothing,
}

/// A row of a table.
#[derive(Serialize)]
struct Route {
    id: &'static str,
    method: &'static str,
    path: &'static str,
    requirement: String,
    #[serde(skip)]
    rule: Rule,
    /// The status of its good answer.
    #[serde(skip)]
    status: u16,
}

/// The row that a request reaches: as the router does it, paths without parameters come first.
fn find<S>(table: &Table<S>, method: &str, path: &str) -> Found {
    let path = path.split('?').next().unwrap_or_default();
    let parameters = |path: &str| path.matches('{').count();
    let rows = table.rows().iter().filter(|row| matches(row.spec.path, path));
    let Some(template) = rows.min_by_key(|row| parameters(row.spec.path)).map(|row| row.spec.path) else {
        return Found::Nothing;
    };
    let rows = || table.rows().iter().filter(|row| row.spec.path == template);
    let answers = |row: &Row<S>| match method {
        "HEAD" => row.spec.answers_head(),
        method => row.spec.method.name() == method,
    };
    match rows().find(|row| answers(row)) {
        Some(row) => Found::Route(Route {
            id: row.spec.id,
            method: row.spec.method.name(),
            path: row.spec.path,
            requirement: row.rule.to_string(),
            rule: row.rule,
            status: row.status,
        }),
        None => Found::OtherMethods(rows().map(|row| row.spec.method.name()).collect()),
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

/// What the caller would get from the guard, and why.
#[derive(Serialize)]
struct Answer {
    /// The status: that of the route's good answer, where the guard admits the request.
    status: u16,
    #[serde(skip)]
    admitted: bool,
    why: String,
    /// Whose the credential is.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
}

impl Answer {
    fn refused(kind: Kind, why: String) -> Self {
        Self { status: kind.status(), admitted: false, why, principal: None }
    }
    const fn admitted(route: &Route, why: String) -> Self {
        Self { status: route.status, admitted: true, why, principal: None }
    }
}

async fn answer(
    desk: Option<&Desk>,
    service: Service,
    route: &Route,
    key: Option<&str>,
    asked: &Explain,
) -> Answer {
    let (Rule::AnyOf(_), Some(desk), Some(key)) = (route.rule, desk, key) else {
        return of_verdict(route, None);
    };
    let validator = &desk.platform(service).validator;
    match validator.authenticate(key.as_bytes(), asked.source, validator.reading()).await {
        Ok(who) => Answer { principal: Some(describe(&who)), ..of_verdict(route, Some(&who)) },
        Err(error) => {
            let why = match &error {
                FlowError::Denied(Denial::Unauthenticated(refusal)) => of_refusal(*refusal, service),
                FlowError::Denied(Denial::Network) => {
                    let unnamed = || "an address that --source names".to_owned();
                    let from = asked.source.map_or_else(unnamed, |ip| ip.to_string());
                    format!("the key may not be used from {from}: its networks do not hold it")
                }
                error => error.to_string(),
            };
            Answer::refused(Problem::from(error).kind(), why)
        }
    }
}

fn of_verdict(route: &Route, who: Option<&Principal>) -> Answer {
    match judge(route.rule, who) {
        Verdict::Public => {
            let because = match route.rule {
                Rule::Public { because } => because,
                Rule::AnyOf(_) => "",
            };
            Answer::admitted(route, format!("anybody may: {because}"))
        }
        Verdict::Met(need) => Answer::admitted(route, format!("the credential meets {need}")),
        Verdict::NoCredential => {
            let why = "no credential was given, and one is required".to_owned();
            Answer::refused(Kind::Unauthenticated, why)
        }
        Verdict::StepUp(proof) => {
            let why =
                format!("the right person, who must log in first so that the context is {}", proof.acr());
            Answer::refused(Kind::StepUp, why)
        }
        Verdict::Lacking(needs) => {
            let needs: Vec<_> = needs.iter().map(ToString::to_string).collect();
            Answer::refused(Kind::Forbidden, format!("the credential meets none of: {}", needs.join(", ")))
        }
    }
}

fn of_refusal(refusal: Refusal, service: Service) -> String {
    match refusal {
        Refusal::NoCredential => "no credential was given, and one is required".to_owned(),
        Refusal::Malformed => "the text cannot be a credential: its form or its checksum is wrong".to_owned(),
        Refusal::Unknown => format!("the {service} service does not know the credential"),
        Refusal::Expired => "the credential has expired".to_owned(),
        Refusal::Revoked => "the credential, what it was made with, or its owner was ended".to_owned(),
    }
}

fn describe(who: &Principal) -> String {
    match who {
        Principal::Key(key) => {
            let owner = match key.tenant.domain {
                Some(domain) => format!("domain {domain}"),
                None => format!("account {}", key.tenant.account),
            };
            let permissions = key.permissions.names().join(" ");
            format!(
                "{who} of {owner}, may: {}",
                if permissions.is_empty() { "nothing" } else { &permissions }
            )
        }
        Principal::Token(token) => format!("{who} of domain {}", token.domain),
        Principal::Person(_) | Principal::Operator { .. } => who.to_string(),
    }
}

#[derive(Serialize)]
struct Explained {
    service: &'static str,
    route: Option<Route>,
    answer: Answer,
}

#[derive(Serialize)]
struct Explanation {
    request: String,
    explained: Vec<Explained>,
}

impl Report for Explanation {
    fn text(&self) -> String {
        let mut lines = vec![self.request.clone()];
        for Explained { service, route, answer } in &self.explained {
            match route {
                Some(route) => {
                    lines.push(format!("{service}: {} {} ({})", route.method, route.path, route.id));
                    lines.push(format!("  requires    {}", route.requirement));
                }
                None => lines.push(format!("{service}: no such route")),
            }
            if let Some(principal) = &answer.principal {
                lines.push(format!("  credential  {principal}"));
            }
            let admitted = if answer.admitted { "admitted, " } else { "" };
            lines.push(format!("  answer      {admitted}{}: {}", answer.status, answer.why));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        match find(&Hub::TABLE, method, path) {
            Found::Route(route) => format!("{} {}", route.id, route.requirement),
            Found::OtherMethods(methods) => format!("405 {}", methods.join(" ")),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn a_request_finds_the_row_that_the_router_would() {
        assert_eq!(found("GET", "/calls"), "call_list key(call_management)");
        assert_eq!(found("HEAD", "/calls?limit=1"), "call_list key(call_management)");
        assert_eq!(found("GET", "/calls/CA1"), "call_read key(call_management)");
        assert!(found("POST", "/api-keys/verify").starts_with("api_key_verify "));
        assert_eq!(found("PUT", "/calls"), "405 GET");
        for absent in ["/calls/", "//calls", "/Calls", "/calls/a/b/c", "calls", ""] {
            assert_eq!(found("GET", absent), "404", "{absent}");
        }
    }
}
