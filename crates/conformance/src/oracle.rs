//! The oracle: what each route should answer to each caller, written by hand and never derived.

use std::collections::BTreeMap;

/// Who calls, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Without a credential.
    None,
    /// With what cannot be a credential.
    Malformed,
    /// With a well-formed credential that nobody issued.
    Unknown,
    /// With a credential of the right kind whose time is over.
    Expired,
    /// With a credential of the right kind that was revoked.
    Revoked,
    /// With a live credential of another kind.
    OtherKind,
    /// With a live key of the other service.
    OtherService,
    /// With a live key that holds every permission of the service but the needed one; with a live login of a member, who
    /// has none of the needed roles.
    Lacking,
    /// With a live credential of another tenant, about the first tenant's objects.
    Foreign,
    /// With a live key that holds the needed permission alone.
    Least,
    /// With a live credential that holds everything.
    Allowed,
}

impl Caller {
    /// Every caller, in the order of the columns.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::Revoked,
        Self::OtherKind,
        Self::OtherService,
        Self::Lacking,
        Self::Foreign,
        Self::Least,
        Self::Allowed,
    ];
}

/// One line of the oracle.
#[derive(Debug, Clone)]
pub struct Line {
    /// Method and path.
    pub route: String,
    /// What the route needs: `public`, or as the contract writes it, joined by `|` without spaces.
    pub needs: String,
    /// The audit event that each admitted call leaves.
    pub audit: Option<String>,
    /// The events that follow from that, in their order.
    pub then: Vec<String>,
    /// What it should answer to whom; a caller that cannot exist for the route is absent.
    pub answers: BTreeMap<Caller, u16>,
}

impl Line {
    /// The needed permission of a key, where the first need is one.
    pub fn permission(&self) -> Option<&str> {
        let first = self.needs.split('|').find(|need| need.contains("key("))?;
        first.split(['(', ')']).nth(1)
    }

    /// What a challenge names to who lacks everything (RFC 6750 §3.1): the permissions and kinds, in their order.
    pub fn scope(&self) -> String {
        let word = |need: &str| match need.split(['(', ')']).nth(1) {
            Some(words) if !words.contains(',') => words.to_owned(),
            _ if need.starts_with("jwt") => "person".to_owned(),
            _ => need.to_owned(),
        };
        self.needs.split('|').map(word).collect::<Vec<_>>().join(" ")
    }

    /// The callers that the line leaves out though they can exist, or names though they cannot: only a key can lack a
    /// permission, or hold it alone; only a person a role.
    pub fn left_out(&self) -> Vec<Caller> {
        let (by_key, by_role) = (self.permission().is_some(), self.needs.contains("jwt("));
        let exists = |caller: &Caller| match caller {
            Caller::Least => by_key,
            Caller::Lacking => by_key || by_role,
            // Every super admin's tenant is the platform, and so is that of its own keys.
            Caller::Foreign => !["jwt(super_admin)+mfa", "dkey(introspect)"].contains(&self.needs.as_str()),
            _ => true,
        };
        Caller::ALL.into_iter().filter(|caller| exists(caller) != self.answers.contains_key(caller)).collect()
    }
}

/// Reads an oracle by operation id.
///
/// # Errors
/// The line that does not read, or that stands twice.
pub fn read(text: &str) -> Result<BTreeMap<String, Line>, String> {
    let mut lines = BTreeMap::new();
    for text in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let columns: Vec<_> = text.split_whitespace().collect();
        let [id, method, path, needs, audit, answers @ ..] = columns.as_slice() else {
            return Err(format!("does not read: {text}"));
        };
        if answers.len() != Caller::ALL.len() {
            return Err(format!("expected {} answers: {text}", Caller::ALL.len()));
        }
        let mut parsed = BTreeMap::new();
        for (caller, answer) in Caller::ALL.into_iter().zip(answers).filter(|(_, answer)| **answer != "-") {
            parsed.insert(caller, answer.parse().map_err(|_| format!("{answer} is no status: {text}"))?);
        }
        let mut events = audit.split('+').filter(|event| *event != "-").map(str::to_owned);
        let line = Line {
            route: format!("{method} {path}"),
            needs: (*needs).to_owned(),
            audit: events.next(),
            then: events.collect(),
            answers: parsed,
        };
        if lines.insert((*id).to_owned(), line).is_some() {
            return Err(format!("{id} stands twice"));
        }
    }
    Ok(lines)
}
