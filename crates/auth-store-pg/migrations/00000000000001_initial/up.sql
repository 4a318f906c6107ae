-- Identifiers are 16 bytes, digests 32, times milliseconds since the epoch, sets of names texts with spaces.

CREATE TABLE accounts (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    contact TEXT,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE users (
    id BYTEA NOT NULL PRIMARY KEY,
    account_id BYTEA NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (account_id, email)
);
CREATE INDEX users_of_account ON users (account_id, id);

CREATE TABLE domains (
    id BYTEA NOT NULL PRIMARY KEY,
    account_id BYTEA NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    origins TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX domains_of_account ON domains (account_id, id);

-- A key of the Hub has no domain_id, a key of the chatbot service has one.
CREATE TABLE keys (
    id BYTEA NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    account_id BYTEA NOT NULL REFERENCES accounts (id),
    domain_id BYTEA REFERENCES domains (id),
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    permissions TEXT NOT NULL,
    expires_at BIGINT,
    networks TEXT NOT NULL,
    rate_limit BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT,
    version BIGINT NOT NULL,
    CHECK ((service = 'hub' AND domain_id IS NULL) OR (service = 'chatbot' AND domain_id IS NOT NULL))
);
CREATE INDEX keys_of_account ON keys (account_id, service, id);
CREATE INDEX keys_of_domain ON keys (domain_id, service, id);

-- The secrets of keys: more than one while an old secret works beside a new one.
-- announced: the number of the revocation stream under which processes hear of it.
CREATE TABLE key_secrets (
    digest BYTEA NOT NULL PRIMARY KEY,
    key_id BYTEA NOT NULL REFERENCES keys (id),
    ends_at BIGINT,
    announced BIGINT NOT NULL
);
CREATE INDEX key_secrets_of_key ON key_secrets (key_id);
CREATE INDEX key_secrets_announced ON key_secrets (announced);

-- parent: the key whose end is theirs too. opened_by: of a session, the temporary token that opened it.
CREATE TABLE tokens (
    id BYTEA NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    domain_id BYTEA NOT NULL REFERENCES domains (id),
    parent BYTEA REFERENCES keys (id),
    opened_by BYTEA REFERENCES tokens (id) ON DELETE CASCADE,
    username TEXT NOT NULL,
    language TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX tokens_of_domain ON tokens (domain_id, kind, id);
CREATE INDEX tokens_of_opener ON tokens (opened_by) WHERE opened_by IS NOT NULL;
CREATE INDEX tokens_by_end ON tokens (expires_at);

CREATE TABLE calls (
    id BYTEA NOT NULL PRIMARY KEY,
    account_id BYTEA NOT NULL REFERENCES accounts (id),
    status TEXT NOT NULL,
    call_type TEXT NOT NULL,
    channel TEXT NOT NULL,
    phone_number TEXT NOT NULL,
    client_name TEXT NOT NULL,
    client_email TEXT NOT NULL,
    instruction TEXT NOT NULL,
    domain_name TEXT NOT NULL,
    language TEXT NOT NULL,
    scheduled_time BIGINT,
    created_at BIGINT NOT NULL,
    cancelled_at BIGINT
);
CREATE INDEX calls_of_account ON calls (account_id, id);

-- Requests that may be sent twice, for 24 hours.
CREATE TABLE requests_once (
    key BYTEA NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX requests_once_by_age ON requests_once (created_at);

-- The audit trail. link: keyed hash over previous and all other columns.
CREATE TABLE audit_events (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    account_id BYTEA,
    domain_id BYTEA,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    previous BYTEA NOT NULL,
    link BYTEA NOT NULL
);
CREATE INDEX audit_events_of_account ON audit_events (account_id, seq);
CREATE INDEX audit_events_of_domain ON audit_events (domain_id, seq);

-- Its one row is also the lock that a transaction which writes takes first.
CREATE TABLE audit_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    link BYTEA NOT NULL
);
INSERT INTO audit_head (id, seq, link)
VALUES (1, 0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- What the audit chain's key makes of a fixed text: a store is opened with its own key alone, also before its trail has
-- an entry.
CREATE TABLE audit_key (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    proof BYTEA NOT NULL
);

-- The revocation stream.
CREATE TABLE notices (
    seq BIGINT NOT NULL PRIMARY KEY,
    about TEXT NOT NULL,
    subject BYTEA NOT NULL,
    ended BIGINT NOT NULL
);
CREATE TABLE notice_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    list BIGINT NOT NULL DEFAULT 0
);
INSERT INTO notice_head (id, seq) VALUES (1, 0);

-- Processes that serve from memory, and how far each has read the stream. The row of zeros holds the number of the list,
-- as notice_head does: a list that was emptied is seen to be.
CREATE TABLE replicas (
    id BYTEA NOT NULL PRIMARY KEY,
    applied BIGINT NOT NULL
);
INSERT INTO replicas (id, applied) VALUES ('\x00000000000000000000000000000000', 0);

-- Who waits for news is woken: a process by a new number, a revocation by an acknowledgement.
CREATE FUNCTION tell_of_notice() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('auth_notices', NEW.seq::TEXT);
    RETURN NULL;
END $$;
CREATE TRIGGER notice_told AFTER UPDATE ON notice_head FOR EACH ROW EXECUTE FUNCTION tell_of_notice();

CREATE FUNCTION tell_of_acknowledgement() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('auth_acknowledgements', '');
    RETURN NULL;
END $$;
CREATE TRIGGER acknowledgement_told AFTER UPDATE OR DELETE ON replicas
FOR EACH STATEMENT EXECUTE FUNCTION tell_of_acknowledgement();
