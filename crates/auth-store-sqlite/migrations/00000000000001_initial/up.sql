-- Identifiers are 16 bytes, digests 32, times milliseconds since the epoch, sets of names texts with spaces.

CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    contact TEXT,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (account_id, email)
) STRICT;

CREATE TABLE domains (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    origins TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE INDEX domains_of_account ON domains (account_id);

-- A key of the Hub has no domain_id, a key of the chatbot service has one.
CREATE TABLE keys (
    id BLOB NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    domain_id BLOB REFERENCES domains (id),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    permissions TEXT NOT NULL,
    expires_at INTEGER,
    networks TEXT NOT NULL,
    rate_limit INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER,
    version INTEGER NOT NULL,
    CHECK ((service = 'hub' AND domain_id IS NULL) OR (service = 'chatbot' AND domain_id IS NOT NULL))
) STRICT;
CREATE INDEX keys_of_account ON keys (account_id, service);
CREATE INDEX keys_of_domain ON keys (domain_id);

-- The secrets of keys: more than one while an old secret works beside a new one.
-- announced: the number of the revocation stream under which processes hear of it.
CREATE TABLE key_secrets (
    digest BLOB NOT NULL PRIMARY KEY,
    key_id BLOB NOT NULL REFERENCES keys (id),
    ends_at INTEGER,
    announced INTEGER NOT NULL
) STRICT;
CREATE INDEX key_secrets_of_key ON key_secrets (key_id);
CREATE INDEX key_secrets_announced ON key_secrets (announced);

-- parent: the key whose end is theirs too. opened_by: of a session, the temporary token that opened it.
CREATE TABLE tokens (
    id BLOB NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    domain_id BLOB NOT NULL REFERENCES domains (id),
    parent BLOB REFERENCES keys (id),
    opened_by BLOB REFERENCES tokens (id) ON DELETE CASCADE,
    username TEXT NOT NULL,
    language TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX tokens_of_domain ON tokens (domain_id, kind);
CREATE INDEX tokens_of_opener ON tokens (opened_by) WHERE opened_by IS NOT NULL;
CREATE INDEX tokens_by_end ON tokens (expires_at);

CREATE TABLE calls (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    status TEXT NOT NULL,
    call_type TEXT NOT NULL,
    channel TEXT NOT NULL,
    phone_number TEXT NOT NULL,
    client_name TEXT NOT NULL,
    client_email TEXT NOT NULL,
    instruction TEXT NOT NULL,
    domain_name TEXT NOT NULL,
    language TEXT NOT NULL,
    scheduled_time INTEGER,
    created_at INTEGER NOT NULL,
    cancelled_at INTEGER
) STRICT;
CREATE INDEX calls_of_account ON calls (account_id, created_at);

-- Requests that may be sent twice, for 24 hours.
CREATE TABLE requests_once (
    key BLOB NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_once_by_age ON requests_once (created_at);

-- The audit trail. link: keyed hash over previous and all other columns.
CREATE TABLE audit_events (
    seq INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    account_id BLOB,
    domain_id BLOB,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    previous BLOB NOT NULL,
    link BLOB NOT NULL
) STRICT;
CREATE INDEX audit_events_of_account ON audit_events (account_id, seq);
CREATE INDEX audit_events_of_domain ON audit_events (domain_id, seq);

CREATE TABLE audit_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    link BLOB NOT NULL
) STRICT;
INSERT INTO audit_head (id, seq, link)
VALUES (1, 0, X'0000000000000000000000000000000000000000000000000000000000000000');

-- The revocation stream.
CREATE TABLE notices (
    seq INTEGER NOT NULL PRIMARY KEY,
    about TEXT NOT NULL,
    subject BLOB NOT NULL,
    ended INTEGER NOT NULL
) STRICT;
CREATE TABLE notice_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO notice_head (id, seq) VALUES (1, 0);

-- Processes that serve from memory, and how far each has read the stream.
CREATE TABLE replicas (
    id BLOB NOT NULL PRIMARY KEY,
    applied INTEGER NOT NULL
) STRICT;
