//! What a provider remembers: requests that wait for a person, codes, grants, and the tokens of each.

use crate::{config::Account, desk::random, like::Like};
use auth_core::{entropy::Entropy, time::Timestamp};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long an access token is good.
pub(crate) const ACCESS_LIFE: Duration = Duration::from_secs(3600);
/// How long a code is good.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// How long a page waits for a person.
const PAGE_LIFE: Duration = Duration::from_secs(600);

/// An authorization request in which nothing is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) like: Like,
    pub(crate) redirect_uri: String,
    /// By the names that answers have for them.
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    /// Whether a refresh token was asked for.
    pub(crate) is_offline: bool,
}

/// What a code or a refresh token was good for.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) account: Account,
    pub(crate) scopes: Vec<&'static str>,
    /// None after a refresh.
    pub(crate) nonce: Option<String>,
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
}

/// Why a refresh token is good for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRefreshed {
    /// Nobody here made it, or not for this endpoint.
    Unknown,
    /// Another one had taken its place; the grant ended.
    Replaced,
    /// Its grant ended.
    Ended,
    /// More was asked than the grant has.
    Wider,
}

/// What a provider remembers.
#[derive(Default)]
pub(crate) struct Ledger {
    waiting: BTreeMap<String, (Asked, Timestamp)>,
    /// Each state, nonce and challenge that was accepted.
    accepted: BTreeSet<(&'static str, String)>,
    codes: BTreeMap<String, Code>,
    /// A grant's number is its place.
    grants: Vec<Grant>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
}

struct Code {
    asked: Asked,
    account: Account,
    made: Timestamp,
    use_: Use,
}

enum Use {
    None,
    /// It was tried in vain.
    Tried,
    /// It was good for this grant.
    Granted(usize),
}

struct Grant {
    like: Like,
    account: Account,
    scopes: Vec<&'static str>,
    has_ended: bool,
}

struct Access {
    grant: usize,
    end: Timestamp,
    scopes: Vec<&'static str>,
}

struct Refresh {
    grant: usize,
    is_replaced: bool,
}

impl Ledger {
    /// Accepts a request whose state, nonce and challenge are all new; the error says which is not.
    pub(crate) fn accept(&mut self, asked: &Asked) -> Result<(), &'static str> {
        let once = [("state", &asked.state), ("nonce", &asked.nonce), ("code_challenge", &asked.challenge)];
        let known = once.iter().find(|(name, value)| self.accepted.contains(&(*name, (*value).clone())));
        if let Some((name, _)) = known {
            return Err(name);
        }
        self.accepted.extend(once.map(|(name, value)| (name, value.clone())));
        Ok(())
    }
    /// Keeps a request until its person decides.
    pub(crate) fn wait(&mut self, id: String, asked: Asked, now: Timestamp) {
        self.waiting.insert(id, (asked, now));
    }
    /// Takes the request of a page, once.
    pub(crate) fn decide(&mut self, id: &str, now: Timestamp) -> Option<Asked> {
        self.waiting.remove(id).filter(|(_, since)| now < *since + PAGE_LIFE).map(|(asked, _)| asked)
    }
    /// Keeps a code.
    pub(crate) fn give_code(&mut self, code: String, asked: Asked, account: Account, made: Timestamp) {
        self.codes.insert(code, Code { asked, account, made, use_: Use::None });
    }

    /// Tokens for a code. Whatever comes of it, the code is used up; the error says why nothing came of it.
    pub(crate) fn exchange(
        &mut self,
        like: Like,
        (code, redirect_uri, verifier): (&str, &str, &str),
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Issued, &'static str> {
        let known = self.codes.get_mut(code).filter(|code| code.asked.like == like);
        let Some(known) = known else { return Err("the code is unknown here") };
        match known.use_ {
            Use::None => known.use_ = Use::Tried,
            Use::Tried => return Err("the code was tried before"),
            Use::Granted(number) => {
                self.end(|at, _| at == number);
                return Err("the code was used before; what was issued for it ended");
            }
        }
        if now >= known.made + CODE_LIFE {
            return Err("the code is too old");
        }
        if known.asked.redirect_uri != redirect_uri {
            return Err("redirect_uri is not that of the request");
        }
        if BASE64URL_NOPAD.encode(&Sha256::digest(verifier)) != known.asked.challenge {
            return Err("code_verifier does not fit");
        }
        let number = self.grants.len();
        known.use_ = Use::Granted(number);
        let (asked, account) = (known.asked.clone(), known.account.clone());
        self.grants.push(Grant {
            like,
            account: account.clone(),
            scopes: asked.scopes.clone(),
            has_ended: false,
        });
        let access = self.new_access(number, &asked.scopes, now, entropy);
        let refresh = asked.is_offline.then(|| self.new_refresh(number, entropy));
        Ok(Issued { account, scopes: asked.scopes, nonce: Some(asked.nonce), access, refresh })
    }

    /// Another access token, of these scopes or of all that were granted. Like Microsoft's it comes with another refresh
    /// token. Where `rotates`, each comes with one, and the older one is replaced.
    pub(crate) fn refresh(
        &mut self,
        like: Like,
        (token, scopes): (&str, Option<&[&'static str]>),
        rotates: bool,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Issued, NotRefreshed> {
        let known = self.refresh.get_mut(token).ok_or(NotRefreshed::Unknown)?;
        let number = known.grant;
        let grant = self.grants.get_mut(number).filter(|grant| grant.like == like);
        let grant = grant.ok_or(NotRefreshed::Unknown)?;
        if grant.has_ended {
            return Err(NotRefreshed::Ended);
        }
        if known.is_replaced {
            grant.has_ended = true;
            return Err(NotRefreshed::Replaced);
        }
        if scopes.is_some_and(|asked| asked.iter().any(|scope| !grant.scopes.contains(scope))) {
            return Err(NotRefreshed::Wider);
        }
        known.is_replaced = rotates;
        let scopes = scopes.unwrap_or(&grant.scopes).to_vec();
        let account = grant.account.clone();
        let access = self.new_access(number, &scopes, now, entropy);
        let renews = rotates || like == Like::Microsoft;
        let refresh = renews.then(|| self.new_refresh(number, entropy));
        Ok(Issued { account, scopes, nonce: None, access, refresh })
    }

    /// Ends the grant of a token (RFC 7009); whether there was one.
    pub(crate) fn revoke(&mut self, like: Like, token: &str) -> bool {
        let access = self.access.get(token).map(|access| access.grant);
        let number = access.or_else(|| self.refresh.get(token).map(|refresh| refresh.grant));
        number.is_some_and(|number| self.end(|at, grant| at == number && grant.like == like))
    }
    /// Ends all that an account granted, codes too.
    pub(crate) fn end_all_of(&mut self, address: &str) {
        self.codes.retain(|_, code| code.account.address != address);
        self.end(|_, grant| grant.account.address == address);
    }
    /// Whether an account has a grant that still is good for something.
    pub(crate) fn is_granted(&self, address: &str, now: Timestamp) -> bool {
        self.grants.iter().enumerate().any(|(number, grant)| {
            let is_fresh = |access: &Access| access.grant == number && now < access.end;
            let is_kept = |refresh: &Refresh| refresh.grant == number && !refresh.is_replaced;
            grant.account.address == address
                && !grant.has_ended
                && (self.access.values().any(is_fresh) || self.refresh.values().any(is_kept))
        })
    }
    /// Whose an access token is, and what it may.
    pub(crate) fn bearer(
        &self,
        like: Like,
        token: &str,
        now: Timestamp,
    ) -> Option<(Account, &[&'static str])> {
        let access = self.access.get(token)?;
        let grant = self.grants.get(access.grant)?;
        let is_good = now < access.end && grant.like == like && !grant.has_ended;
        is_good.then(|| (grant.account.clone(), access.scopes.as_slice()))
    }

    /// Ends the grants that are meant; whether there were any.
    fn end(&mut self, is_meant: impl Fn(usize, &Grant) -> bool) -> bool {
        let mut any = false;
        for (number, grant) in self.grants.iter_mut().enumerate() {
            if !grant.has_ended && is_meant(number, grant) {
                grant.has_ended = true;
                any = true;
            }
        }
        any
    }
    fn new_access(
        &mut self,
        grant: usize,
        scopes: &[&'static str],
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> String {
        let token = self.named(grant, |[_, access, _]| access, entropy);
        let access = Access { grant, end: now + ACCESS_LIFE, scopes: scopes.to_vec() };
        self.access.insert(token.clone(), access);
        token
    }
    fn new_refresh(&mut self, grant: usize, entropy: &dyn Entropy) -> String {
        let token = self.named(grant, |[_, _, refresh]| refresh, entropy);
        self.refresh.insert(token.clone(), Refresh { grant, is_replaced: false });
        token
    }
    fn named(
        &self,
        grant: usize,
        which: impl Fn([&'static str; 3]) -> &'static str,
        entropy: &dyn Entropy,
    ) -> String {
        let prefix = self.grants.get(grant).map_or("", |grant| which(grant.like.prefixes()));
        format!("{prefix}{}", random(entropy))
    }
}
