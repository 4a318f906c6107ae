-- Authenticators: the secret sealed, the session that enrols it, and the last step whose code was taken.
CREATE TABLE totp (
    person_id BYTEA NOT NULL PRIMARY KEY REFERENCES people (id),
    secret BYTEA NOT NULL,
    session_id BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    last_step BIGINT NOT NULL
);

-- Recovery codes that were not used.
CREATE TABLE recovery_codes (
    person_id BYTEA NOT NULL REFERENCES people (id),
    digest BYTEA NOT NULL,
    PRIMARY KEY (person_id, digest)
);

-- Guesses of passwords and codes. A subject is a digest: what strangers type is not told.
CREATE TABLE attempts (
    subject BYTEA NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX attempts_by_last ON attempts (last_at);
