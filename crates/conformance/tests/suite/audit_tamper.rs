//! Tampering with the tables of the audit trail, ten thousand times: the verifier finds each, and nothing in
//! a trail that nobody touched.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    audit::{Broken, ChainKey, Chained, Entry, Head, Link, Verifier},
    entropy::Entropy as _,
    port::{AuditTrail, CreateUser, RevokeKey, Stores},
    time::{Clock as _, Timestamp},
};
use auth_store::Location;
use conformance::{
    ambient::{SeededEntropy, StepClock},
    contract::{
        Fixture,
        fixture::{chatbot, granted, hub},
    },
};
use diesel::{Connection as _, connection::SimpleConnection as _, sqlite::SqliteConnection};
use std::{
    io::{Read as _, Write as _},
    path::Path,
};

/// Tamperings of each kind.
const TIMES: usize = 2500;

/// A store with a trail, and a hand on its tables.
struct Trail {
    stores: Stores,
    chain: ChainKey,
    anchors: Vec<Head>,
    /// The entries as they were written.
    truth: Vec<Chained>,
    dir: tempfile::TempDir,
}

impl Trail {
    async fn build() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chain = ChainKey::new([5; 32]);
        std::fs::File::create_new(dir.path().join("audit.key"))
            .unwrap()
            .write_all(&[b'0', b'5'].repeat(32))
            .unwrap();
        let stores = open(dir.path()).await;
        write_entries(&stores, &chain).await;
        let truth = stores.audit.scan(i64::MIN, u16::MAX).await.unwrap();
        assert!(truth.len() > 200, "{}", truth.len());
        let anchors = anchors(dir.path());
        Self { stores, chain, anchors, truth, dir }
    }

    async fn check(&self) -> Result<Head, String> {
        check(self.dir.path()).await
    }

    /// Whether every entry and the head are what they were, bit for bit.
    async fn reads_as_written(&self) -> bool {
        let entries = self.stores.audit.scan(i64::MIN, u16::MAX).await.unwrap();
        entries == self.truth && self.stores.audit.head().await.ok().as_ref() == self.anchors.last()
    }

    /// A connection that writes past the store, with the tables as they were kept aside. Indexes that a scan
    /// does not use are dropped: thousands of restorations are faster so.
    fn hand(&self) -> SqliteConnection {
        let path = self.dir.path().join("auth.db");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute(
            "PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000; \
             DROP INDEX IF EXISTS audit_events_of_account; DROP INDEX IF EXISTS audit_events_of_domain; \
             CREATE TEMP TABLE truth AS SELECT * FROM audit_events; \
             CREATE TEMP TABLE true_head AS SELECT * FROM audit_head;",
        )
        .unwrap();
        conn
    }
}

fn location(dir: &Path) -> Location {
    Location::at(&format!("sqlite://{}", dir.join("auth.db").display()))
}

async fn open(dir: &Path) -> Stores {
    auth_store::open(&location(dir), &SeededEntropy::new(0)).await.unwrap()
}

/// The check that the operator's command makes: the whole trail, its key and its anchor.
async fn check(dir: &Path) -> Result<Head, String> {
    let found = auth_store::verify_trail(&location(dir), Vec::new(), |_, _| ()).await;
    found.map(|verified| verified.head).map_err(|broken| broken.to_string())
}

/// A few hundred entries of many kinds.
async fn write_entries(stores: &Stores, chain: &ChainKey) {
    let fixture = Fixture::new(stores.clone(), stores.clone(), chain.clone(), None);
    for round in 0..6 {
        let account = fixture.account().await;
        let domain = fixture.domain(&account).await;
        let grant = granted::<CreateUser>(&hub(&account));
        for number in 0..13 {
            let new = fixture.new_user(&format!("alice{number}@example.com"));
            stores.users.create(&grant, new, None).await.unwrap();
            fixture.token(&domain, None).await;
        }
        for tenant in [hub(&account), chatbot(&domain)] {
            let key = fixture.key(tenant).await.0;
            stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await.unwrap();
        }
        let refused = |at| Entry {
            at,
            actor: "anonymous".to_owned(),
            tenant: None,
            source: "192.0.2.1".to_owned(),
            request_id: String::new(),
            event: format!(r#"{{"action":"request.refused","count":{round}}}"#),
        };
        stores.audit.append(vec![refused(fixture.at()), refused(fixture.at())]).await.unwrap();
    }
}

/// What the anchor's file remembers.
fn anchors(dir: &Path) -> Vec<Head> {
    let mut text = String::new();
    std::fs::File::open(dir.join("audit.anchor")).unwrap().read_to_string(&mut text).unwrap();
    text.lines().map(|line| Head::from_anchor(line).unwrap()).collect()
}

/// Checks a trail with another key, or without what an anchor remembers.
async fn verify(trail: &dyn AuditTrail, chain: &ChainKey) -> Result<Head, Broken> {
    let mut verifier = Verifier::new(chain, [])?;
    for found in trail.scan(i64::MIN, u16::MAX).await.unwrap() {
        verifier.next(&found)?;
    }
    verifier.finish(trail.head().await.unwrap())
}

/// A seeded source of choices.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(end).unwrap()).unwrap()
    }
    fn number(&self, end: usize) -> i64 {
        i64::try_from(self.below(end)).unwrap()
    }
    fn row<'a>(&self, truth: &'a [Chained]) -> &'a Chained {
        &truth[self.below(truth.len())]
    }
    fn one<'a>(&self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
    fn link(&self) -> Link {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes);
        Link::from_bytes(bytes)
    }
}

const COLUMNS: &[&str] =
    &["at", "actor", "account_id", "domain_id", "source", "request_id", "event", "previous", "link"];

/// Tampers, checks and undoes, again and again. What a kind of tampering leaves as it was is drawn again.
async fn every_one_is_found(seed: u64, tampering: impl Fn(&Dice, &[Chained]) -> String) {
    let trail = Trail::build().await;
    let (mut hand, dice) = (trail.hand(), Dice(SeededEntropy::new(seed)));
    assert_eq!(trail.check().await, Ok(*trail.anchors.last().unwrap()));
    let (mut tampered, mut drawn) = (0, 0);
    while tampered < TIMES {
        drawn += 1;
        let sql = tampering(&dice, &trail.truth);
        hand.batch_execute(&format!("BEGIN IMMEDIATE; {sql} COMMIT;"))
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        if trail.check().await.is_err() {
            tampered += 1;
        } else {
            assert!(trail.reads_as_written().await, "number {tampered} was not found: {sql}");
        }
        restore(&mut hand);
        if drawn % 100 == 0 {
            assert!(trail.check().await.is_ok(), "nothing is found in the untouched trail");
        }
    }
    assert!(drawn < 2 * TIMES, "most tamperings change something: {drawn}");
}

fn restore(hand: &mut SqliteConnection) {
    hand.batch_execute(
        "BEGIN IMMEDIATE; DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM truth; \
         DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM true_head; COMMIT;",
    )
    .unwrap();
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn blob(bytes: &[u8]) -> String {
    format!("X'{}'", data_encoding::HEXLOWER.encode(bytes))
}

fn set_head(head: Head) -> String {
    format!("UPDATE audit_head SET seq = {}, link = {};", head.seq, blob(head.link.as_bytes()))
}

fn insert(found: &Chained) -> String {
    let entry = &found.entry;
    let id = |id: Option<&[u8; 16]>| id.map_or_else(|| "NULL".to_owned(), |bytes| blob(bytes));
    let account = entry.tenant.map(|tenant| *tenant.account.as_bytes());
    let domain = entry.tenant.and_then(|tenant| tenant.domain).map(|domain| *domain.as_bytes());
    format!(
        "INSERT INTO audit_events VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {});",
        found.seq,
        entry.at.millis(),
        text(&entry.actor),
        id(account.as_ref()),
        id(domain.as_ref()),
        text(&entry.source),
        text(&entry.request_id),
        text(&entry.event),
        blob(found.previous.as_bytes()),
        blob(found.link.as_bytes()),
    )
}

/// Moves the rows from a number on, through numbers that no row has.
fn shift(from: i64, by: i64) -> String {
    format!(
        "UPDATE audit_events SET seq = -seq - 1000000 WHERE seq >= {from}; \
         UPDATE audit_events SET seq = -seq - 1000000 + {by} WHERE seq < -1000000;"
    )
}

/// A text with one small difference.
fn altered(dice: &Dice, whole: &str) -> String {
    let mut chars: Vec<char> = whole.chars().collect();
    let at = dice.below(chars.len() + 1);
    match dice.below(4) {
        0 if at < chars.len() => {
            chars.remove(at);
        }
        1 if at < chars.len() => {
            let other = if chars[at].is_ascii_lowercase() { chars[at].to_ascii_uppercase() } else { 'x' };
            chars[at] = other;
        }
        2 => chars.clear(),
        _ => chars.insert(at, [' ', '0', 'é', '\u{200b}'][dice.below(4)]),
    }
    chars.into_iter().collect()
}

/// Bytes with one bit turned, one byte more or less, or none left.
fn altered_bytes(dice: &Dice, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes.push(0),
        1 => bytes.truncate(at),
        2 => bytes.fill(0),
        _ => bytes[at] ^= 1 << dice.below(8),
    }
    bytes
}

/// The rows from a number on as a forger without the key writes them: another event there, and everything
/// behind it chained anew, up to the head.
fn forge(dice: &Dice, truth: &[Chained]) -> String {
    let forger = ChainKey::new([6; 32]);
    let at = dice.below(truth.len());
    let mut head = Head { seq: truth[at].seq - 1, link: truth[at].previous };
    let mut sql = format!("DELETE FROM audit_events WHERE seq > {};", head.seq);
    for (number, found) in truth.iter().enumerate().skip(at) {
        let mut entry = found.entry.clone();
        if number == at {
            entry.actor = "operator, honestly".to_owned();
        }
        let forged = forger.chain(head, entry);
        head = Head { seq: forged.seq, link: forged.link };
        sql.push_str(&insert(&forged));
    }
    sql + &set_head(head)
}

fn edit(dice: &Dice, truth: &[Chained]) -> String {
    let row = dice.row(truth);
    let (seq, entry) = (row.seq, &row.entry);
    let set =
        |column: &str, value: &str| format!("UPDATE audit_events SET {column} = {value} WHERE seq = {seq};");
    let id = |bytes: Option<[u8; 16]>| match (bytes, dice.below(3)) {
        (Some(bytes), 0 | 1) => blob(&altered_bytes(dice, &bytes)),
        (Some(_), _) => "NULL".to_owned(),
        (None, _) => blob(&[9; 16]),
    };
    match dice.below(60) {
        0 => forge(dice, truth),
        1..6 => set("at", &(entry.at.millis() + dice.number(2000) - 1000).to_string()),
        6..12 => set("actor", &text(&altered(dice, &entry.actor))),
        12..18 => set("account_id", &id(entry.tenant.map(|tenant| *tenant.account.as_bytes()))),
        18..24 => set(
            "domain_id",
            &id(entry.tenant.and_then(|tenant| tenant.domain).map(|domain| *domain.as_bytes())),
        ),
        24..28 => set("source", &text(&altered(dice, &entry.source))),
        28..32 => set("request_id", &text(&altered(dice, &entry.request_id))),
        32..42 => set("event", &text(&altered(dice, &entry.event))),
        42..46 => set("previous", &blob(&altered_bytes(dice, row.previous.as_bytes()))),
        46..50 => set("link", &blob(&altered_bytes(dice, row.link.as_bytes()))),
        50..52 => set(
            "previous",
            &format!("{}, link = {}", blob(dice.link().as_bytes()), blob(dice.link().as_bytes())),
        ),
        52..54 => set("seq", dice.one(&["-1", "0", "1000000", "9223372036854775807"])),
        54..56 => {
            format!("UPDATE audit_head SET link = {};", blob(&altered_bytes(dice, row.link.as_bytes())))
        }
        56..58 => format!("UPDATE audit_head SET seq = seq + {};", dice.number(20) - 10),
        // The border between two fields moves, and no byte is lost.
        _ => set(
            "actor",
            &format!("actor || substr(source, 1, 1), source = substr(source, 2) || {}", text("")),
        ),
    }
}

fn cut(dice: &Dice, truth: &[Chained]) -> String {
    let last = truth.last().unwrap().seq;
    let from = dice.number(truth.len()) + 1;
    let long = dice.number(20) + 1;
    let some = format!("DELETE FROM audit_events WHERE seq >= {from} AND seq < {from} + {long};");
    let behind = format!("DELETE FROM audit_events WHERE seq >= {from};");
    let head = match from {
        1 => Head::START,
        _ => {
            let end = &truth[usize::try_from(from).unwrap() - 2];
            Head { seq: end.seq, link: end.link }
        }
    };
    match dice.below(8) {
        0 => format!("DELETE FROM audit_events WHERE seq = {from};"),
        1 => some,
        2 => format!("{some} {}", shift(from + long, -long)),
        // As though the rest had never been.
        3..6 => format!("{behind} {}", set_head(head)),
        6 => behind,
        _ => format!(
            "DELETE FROM audit_events WHERE seq < {from}; {} UPDATE audit_head SET seq = {};",
            shift(from, 1 - from),
            last - from + 1
        ),
    }
}

fn swap(dice: &Dice, truth: &[Chained]) -> String {
    let one = dice.row(truth).seq;
    let two = (one + dice.number(truth.len() - 1)) % truth.last().unwrap().seq + 1;
    let take = |columns: &[&str], to: i64, from: i64| {
        let values: Vec<_> = columns
            .iter()
            .map(|column| format!("{column} = (SELECT {column} FROM truth WHERE seq = {from})"))
            .collect();
        format!("UPDATE audit_events SET {} WHERE seq = {to};", values.join(", "))
    };
    let exchange = |columns: &[&str]| take(columns, one, two) + &take(columns, two, one);
    match dice.below(6) {
        0 | 1 => exchange(COLUMNS),
        // Each stays at its place in the chain, and says what the other said.
        2 => exchange(&COLUMNS[..7]),
        3 => exchange(&[dice.one(COLUMNS)]),
        4 => take(COLUMNS, one, two),
        _ => take(&[dice.one(COLUMNS)], one, two),
    }
}

fn put_in(dice: &Dice, truth: &[Chained]) -> String {
    let (row, place, last) = (dice.row(truth).clone(), dice.row(truth), truth.last().unwrap());
    let end = Head { seq: last.seq, link: last.link };
    match dice.below(7) {
        0 => insert(&Chained { seq: -dice.number(5), ..row }),
        1 => insert(&Chained { seq: last.seq + 1 + dice.number(3), ..row }),
        2 => {
            let copy = Chained { seq: last.seq + 1, previous: last.link, ..row };
            let head = Head { seq: copy.seq, link: copy.link };
            insert(&copy) + &set_head(head)
        }
        3 => {
            let forged = ChainKey::new([6; 32]).chain(end, row.entry);
            insert(&forged) + &set_head(Head { seq: forged.seq, link: forged.link })
        }
        4 => insert(&Chained { seq: last.seq + 1, previous: dice.link(), link: dice.link(), ..row }),
        _ => {
            let copy = Chained { seq: place.seq, previous: place.previous, ..row };
            shift(place.seq, 1) + &insert(&copy) + &set_head(Head { seq: last.seq + 1, link: last.link })
        }
    }
}

#[tokio::test]
async fn every_edit_is_found() {
    every_one_is_found(1, edit).await;
}

#[tokio::test]
async fn every_cut_is_found() {
    every_one_is_found(2, cut).await;
}

#[tokio::test]
async fn every_swap_is_found() {
    every_one_is_found(3, swap).await;
}

#[tokio::test]
async fn every_insertion_is_found() {
    every_one_is_found(4, put_in).await;
}

#[tokio::test]
async fn a_cut_end_is_found_by_the_anchor_alone() {
    let trail = Trail::build().await;
    let end = &trail.truth[100];
    let head = Head { seq: end.seq, link: end.link };
    let sql = format!("DELETE FROM audit_events WHERE seq > {}; {}", end.seq, set_head(head));
    trail.hand().batch_execute(&sql).unwrap();
    let last = trail.truth.last().unwrap().seq;
    assert_eq!(trail.check().await, Err(Broken::Anchor { seq: last }.to_string()));
    let rest = verify(trail.stores.audit.as_ref(), &trail.chain).await;
    assert_eq!(rest, Ok(head), "the rest is a whole chain of its own");
}

#[tokio::test]
async fn an_older_copy_put_back_is_found_by_the_anchor() {
    let trail = Trail::build().await;
    let back = tempfile::tempdir().unwrap();
    let copy = back.path().join("auth.db");
    trail.hand().batch_execute(&format!("VACUUM INTO {};", text(copy.to_str().unwrap()))).unwrap();
    let clock = StepClock::default();
    let event = |number: i64| Entry {
        at: Timestamp::from_millis(clock.now().millis() + number),
        actor: "operator".to_owned(),
        tenant: None,
        source: String::new(),
        request_id: String::new(),
        event: "{}".to_owned(),
    };
    for number in 0..5 {
        trail.stores.audit.append(vec![event(number)]).await.unwrap();
    }
    let newest = trail.stores.audit.head().await.unwrap();
    assert_eq!(trail.check().await, Ok(newest));

    for name in ["audit.anchor", "audit.key"] {
        std::fs::copy(trail.dir.path().join(name), back.path().join(name)).unwrap();
    }
    let refused = auth_store::open(&location(back.path()), &SeededEntropy::new(0)).await;
    let refused = refused.map(|_| ()).unwrap_err().to_string();
    let at = trail.truth.last().unwrap().seq;
    assert!(
        refused.contains(&format!("remembers entry {} and the trail ends at {at}", newest.seq)),
        "{refused}"
    );
    // Where the anchor was away while it was opened.
    let (anchor, away) = (back.path().join("audit.anchor"), back.path().join("away"));
    std::fs::rename(&anchor, &away).unwrap();
    let older = open(back.path()).await;
    std::fs::rename(&away, &anchor).unwrap();
    let remembered = |seq| Err(Broken::Anchor { seq }.to_string());
    assert_eq!(check(back.path()).await, remembered(newest.seq));
    // It goes on, past what the anchor remembers: the anchor does not forget.
    for number in 10..20 {
        older.audit.append(vec![event(number)]).await.unwrap();
    }
    assert_eq!(check(back.path()).await, remembered(trail.truth.last().unwrap().seq + 1));
    assert!(verify(older.audit.as_ref(), &trail.chain).await.is_ok(), "by the anchor alone");
}

#[tokio::test]
async fn another_key_of_the_chain_is_refused() {
    let trail = Trail::build().await;
    let other = ChainKey::new([6; 32]);
    let found = verify(trail.stores.audit.as_ref(), &other).await;
    assert_eq!(found, Err(Broken::Altered { seq: 1 }));
    assert!(trail.truth.iter().all(|entry| trail.chain.made(entry) && !other.made(entry)));

    let key = trail.dir.path().join("audit.key");
    std::fs::File::create(key).unwrap().write_all(&[b'0', b'6'].repeat(32)).unwrap();
    assert_eq!(trail.check().await, Err(Broken::Altered { seq: 1 }.to_string()));
    let opened = auth_store::open(&location(trail.dir.path()), &SeededEntropy::new(0)).await;
    assert!(opened.map(|_| ()).unwrap_err().to_string().contains("the audit key is not the one"));
}

/// Writes to the anchor as a process that was cut off.
fn write_to_anchor(dir: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(dir.join("audit.anchor"));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn entry() -> Entry {
    Entry {
        at: StepClock::default().now(),
        actor: "operator".to_owned(),
        tenant: None,
        source: String::new(),
        request_id: String::new(),
        event: "{}".to_owned(),
    }
}

#[tokio::test]
async fn lines_of_the_anchor_that_were_cut_off_are_skipped_and_counted() {
    let trail = Trail::build().await;
    let line = trail.anchors[3].to_anchor();
    let mut torn = 0;
    for end in 1..line.len() {
        write_to_anchor(trail.dir.path(), &line[..end]);
        trail.stores.audit.append(vec![entry()]).await.unwrap();
        torn += 1;
    }
    write_to_anchor(trail.dir.path(), "\n\n");
    // A line that is being written, and what a loss of power leaves of one.
    write_to_anchor(trail.dir.path(), "\0\0\0\0\n17 0a");
    torn += 2;
    let verified =
        auth_store::verify_trail(&location(trail.dir.path()), Vec::new(), |_, _| ()).await.unwrap();
    assert_eq!((verified.torn, verified.head), (torn, trail.stores.audit.head().await.unwrap()));
    write_to_anchor(trail.dir.path(), "\nnonsense\n");
    assert!(trail.check().await.unwrap_err().contains("of the anchor was altered"));
}

#[tokio::test]
async fn lines_of_the_anchor_stand_in_any_order() {
    let trail = Trail::build().await;
    let mut lines: Vec<_> = trail.anchors.iter().map(|head| head.to_anchor() + "\n").collect();
    lines.reverse();
    lines.rotate_left(50);
    std::fs::remove_file(trail.dir.path().join("audit.anchor")).unwrap();
    let mut file = std::fs::File::create_new(trail.dir.path().join("audit.anchor")).unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
    assert!(trail.check().await.is_ok());
    let wrong = Head { seq: trail.anchors[7].seq, link: Link::from_bytes([7; 32]) };
    write_to_anchor(trail.dir.path(), &(wrong.to_anchor() + "\n"));
    assert_eq!(trail.check().await, Err(Broken::Anchor { seq: wrong.seq }.to_string()));
}

#[tokio::test]
async fn a_process_killed_between_its_first_commit_and_the_anchor_emptied_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stores = open(dir.path()).await;
    let genesis = std::fs::metadata(dir.path().join("audit.anchor")).unwrap().len();
    stores.audit.append(vec![entry()]).await.unwrap();
    let anchor = dir.path().join("audit.anchor");
    // As though the line of that commit had not been written.
    let file = std::fs::OpenOptions::new().write(true).open(&anchor).unwrap();
    file.set_len(genesis).unwrap();
    assert!(check(dir.path()).await.is_ok());
    file.set_len(0).unwrap();
    assert!(check(dir.path()).await.unwrap_err().contains("emptied"));
}

#[tokio::test]
async fn who_checks_a_trail_writes_nothing() {
    let trail = Trail::build().await;
    let before = anchors(trail.dir.path());
    assert!(trail.check().await.is_ok());
    assert_eq!(anchors(trail.dir.path()), before);
    std::fs::remove_file(trail.dir.path().join("audit.anchor")).unwrap();
    assert!(trail.check().await.unwrap_err().contains("emptied"));
    assert!(!trail.dir.path().join("audit.anchor").exists());
    let nowhere = tempfile::tempdir().unwrap();
    std::fs::copy(trail.dir.path().join("audit.key"), nowhere.path().join("audit.key")).unwrap();
    assert!(check(nowhere.path()).await.is_err());
    assert!(!nowhere.path().join("auth.db").exists());
}
