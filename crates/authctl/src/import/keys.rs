//! `import keys`: keys of the earlier system, by their digests.

use super::{
    BATCH, Imported, Named, Reason, ended, file, relabelled,
    row::{self, OldKey, Owner, check, is_prefix},
};
use crate::{
    arguments::{KeyImport, Place},
    output::{print, progress},
    place::{Desk, failed},
};
use auth_core::{
    id::KeyId,
    model::NewKey,
    policy::{Ceiling, Installation, Networks, Permissions, Rights, grant},
    port::{FoundKey, ImportKeys, Seq},
    principal::Tenant,
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use indicatif::ProgressBar;
use std::collections::{HashMap, HashSet};

pub(super) async fn run(place: &Place, wanted: KeyImport, json: bool) -> Result<(), String> {
    let desk = place.operate().await?;
    let KeyImport { file, dry_run, account, domain, ignore } = wanted;
    let bar = progress("{bar:40} {bytes}/{total_bytes} read, {eta} left");
    let lines = file::open(&file, &row::COLUMNS, ignore.into_iter().collect(), &bar)?;
    let default = account.map(Owner::Account).or(domain.map(Owner::Domain));
    let mut run = Run::new(&desk, default, dry_run);
    let done = run.all(lines, &bar).await;
    bar.finish_and_clear();
    // What was written is in force before anything is said of it, whatever came after.
    if let Some(seq) = run.last {
        desk.any().validator.settle(seq).await.map_err(failed)?;
    }
    print(json, &run.report)?;
    done?;
    ended(&run.report)
}

/// One import.
struct Run<'a> {
    desk: &'a Desk,
    dry_run: bool,
    /// The owner of lines that name none.
    default: Option<Owner>,
    /// Owners that were looked up.
    owners: HashMap<Owner, Option<Tenant>>,
    /// What lines before asked for, by digest.
    seen: HashMap<[u8; 32], Wanted>,
    /// Keys of which lines say different things: none of them is believed.
    contradicted: HashSet<[u8; 32]>,
    waiting: Vec<(u64, Tenant, NewKey)>,
    /// The last number of the revocation stream that was written.
    last: Option<Seq>,
    report: Imported,
}

impl<'a> Run<'a> {
    fn new(desk: &'a Desk, default: Option<Owner>, dry_run: bool) -> Self {
        let (owners, seen, contradicted) = (HashMap::new(), HashMap::new(), HashSet::new());
        let report = Imported { dry_run, ..Imported::default() };
        Self { desk, dry_run, default, owners, seen, contradicted, waiting: Vec::new(), last: None, report }
    }

    /// Reads the whole file before it writes: a later line may contradict an earlier one.
    async fn all(
        &mut self,
        lines: impl Iterator<Item = file::Line>,
        bar: &ProgressBar,
    ) -> Result<(), String> {
        for (number, line) in lines {
            self.report.lines += 1;
            let now = self.desk.any().now();
            let asked = line.map_err(Reason::Wrong);
            // Anything else that stands there may be the key itself.
            let prefix = asked.as_ref().ok().and_then(|fields| fields.get("key_prefix"));
            let prefix = prefix.filter(|prefix| is_prefix(prefix)).cloned();
            match asked.and_then(|fields| check(&fields, self.default.as_ref(), now)) {
                Ok(key) => self.take(number, key).await?,
                Err(reason) => self.note(number, prefix, reason),
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        relabelled(bar, waiting.len());
        while waiting.peek().is_some() {
            let batch: Vec<_> = waiting.by_ref().take(BATCH).collect();
            let written = batch.len() as u64;
            self.write(batch).await?;
            bar.inc(written);
        }
        self.report.refused.sort_by_key(|noted| noted.line);
        Ok(())
    }

    /// Lines a key up to be written, unless it is over or known, or its owner is not.
    async fn take(&mut self, number: u64, key: OldKey) -> Result<(), String> {
        let prefix = Some(key.secret.prefix.clone());
        let Some(tenant) = self.tenant(&key.owner).await? else {
            let owner = match &key.owner {
                Owner::Account(id) => format!("there is no account {id}"),
                Owner::Domain(name) => format!("there is no domain {name}"),
            };
            self.note(number, prefix, Reason::Wrong(owner));
            return Ok(());
        };
        let wanted = Wanted::of(number, tenant, &key);
        let digest = *key.secret.digest.as_bytes();
        let before = *self.seen.entry(digest).or_insert(wanted);
        let reason = match wanted.differs_from(&before) {
            Some(how) => {
                self.contradict(digest, number);
                Some(Reason::Wrong(format!("line {} has the same key {how}", before.line)))
            }
            None if self.contradicted.contains(&digest) => {
                Some(Reason::Wrong("another line says something else of the same key".to_owned()))
            }
            None if before.line != number => Some(KNOWN),
            None => self.known(&key.secret.digest, &wanted).await?.or(wanted.over.map(Reason::Over)),
        };
        if let Some(reason) = reason {
            self.note(number, prefix, reason);
            return Ok(());
        }
        let platform = self.desk.any();
        let at = platform.now();
        let OldKey { secret, name, permissions, expires_at, service, .. } = key;
        let rights = Rights { permissions, expires_at, networks: Networks::ANY, rate_limit: None };
        let rights = Ceiling::NONE.bound(rights).map_err(|excess| excess.to_string())?;
        let id = KeyId::draw(at, platform.entropy.as_ref());
        self.waiting.push((number, tenant, NewKey { id, service, name, rights, secret, at }));
        Ok(())
    }

    /// Takes back what an earlier line asked for, since a later one says something else of the same key.
    fn contradict(&mut self, digest: [u8; 32], later: u64) {
        self.contradicted.insert(digest);
        let same = |(_, _, key): &mut (u64, Tenant, NewKey)| *key.secret.digest.as_bytes() == digest;
        for (number, _, key) in self.waiting.extract_if(.., same).collect::<Vec<_>>() {
            let reason = Reason::Wrong(format!("line {later} says something else of the same key"));
            self.note(number, Some(key.secret.prefix), reason);
        }
    }

    /// What a store that knows the secret makes of a line: refused where it would come to mean something else.
    async fn known(&self, digest: &TokenDigest, wanted: &Wanted) -> Result<Option<Reason>, String> {
        for service in Service::ALL {
            let found = self.desk.stores().key_index.find(service, digest).await.map_err(failed)?;
            let Some(found) = found else { continue };
            let (over, FoundKey { principal, .. }) = (!found.is_live(self.desk.any().now()), found);
            let stored = Wanted {
                line: wanted.line,
                service,
                tenant: principal.tenant,
                permissions: principal.permissions,
                expires_at: principal.expires_at,
                // One that was ended here since it was taken stays ended, whatever the line says.
                over: wanted.over.filter(|_| over),
            };
            return Ok(Some(match wanted.differs_from(&stored) {
                Some(how) => Reason::Wrong(format!("the store has the same key {how}")),
                None => KNOWN,
            }));
        }
        Ok(None)
    }

    async fn tenant(&mut self, owner: &Owner) -> Result<Option<Tenant>, String> {
        if let Some(known) = self.owners.get(owner) {
            return Ok(*known);
        }
        let (scope, stores) = (self.desk.proof.scope(), self.desk.stores());
        let found = match owner {
            Owner::Account(id) => stores
                .accounts
                .read(scope, *id)
                .await
                .map_err(failed)?
                .map(|account| Tenant { account: account.id, domain: None }),
            Owner::Domain(name) => stores
                .domains
                .by_name(scope, name)
                .await
                .map_err(failed)?
                .map(|domain| Tenant { account: domain.account, domain: Some(domain.id) }),
        };
        self.owners.insert(owner.clone(), found);
        Ok(found)
    }

    /// Writes some keys in one transaction.
    async fn write(&mut self, waiting: Vec<(u64, Tenant, NewKey)>) -> Result<(), String> {
        if self.dry_run {
            self.report.imported += waiting.len();
            return Ok(());
        }
        let granted = grant::<ImportKeys, _>(&self.desk.proof, &Installation).map_err(failed)?;
        let asked: Vec<_> = waiting.iter().map(|(number, _, key)| (*number, key.secret.clone())).collect();
        let keys = waiting.into_iter().map(|(_, tenant, key)| (tenant, key)).collect();
        let (made, seq) = self.desk.stores().keys.import(&granted, keys).await.map_err(failed)?;
        self.last = Some(seq);
        for ((number, secret), made) in asked.into_iter().zip(made) {
            if made {
                self.report.imported += 1;
                continue;
            }
            // Somebody else made it since it was looked for.
            let reason = match self.seen.get(secret.digest.as_bytes()).copied() {
                Some(wanted) => self.known(&secret.digest, &wanted).await?,
                None => None,
            };
            self.note(number, Some(secret.prefix), reason.unwrap_or(KNOWN));
        }
        Ok(())
    }

    fn note(&mut self, line: u64, prefix: Option<String>, reason: Reason) {
        self.report.note(line, Named::Key { prefix }, reason);
    }
}

/// What a line asks for, to be compared with what else is known of the same key.
#[derive(Clone, Copy)]
struct Wanted {
    line: u64,
    service: Service,
    tenant: Tenant,
    permissions: Permissions,
    expires_at: Option<Timestamp>,
    over: Option<&'static str>,
}

impl Wanted {
    const fn of(line: u64, tenant: Tenant, key: &OldKey) -> Self {
        let OldKey { service, permissions, expires_at, over, .. } = *key;
        Self { line, service, tenant, permissions, expires_at, over }
    }

    /// The first way in which another one has the key otherwise.
    fn differs_from(&self, other: &Self) -> Option<&'static str> {
        if other.service != self.service {
            Some("at the other service")
        } else if other.tenant != self.tenant {
            Some("with another owner")
        } else if other.permissions != self.permissions {
            Some("with other permissions")
        } else if other.expires_at != self.expires_at {
            Some("with another end")
        } else if other.over.is_some() != self.over.is_some() {
            Some("and says otherwise of whether it is in use")
        } else {
            None
        }
    }
}

const KNOWN: Reason = Reason::Over("the key is known already");
