-- Authenticators: the secret sealed, the session that enrols it, and the last step whose code was taken.
CREATE TABLE totp (
    person_id BLOB NOT NULL PRIMARY KEY REFERENCES people (id),
    secret BLOB NOT NULL,
    session_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL
) STRICT;

-- Recovery codes that were not used.
CREATE TABLE recovery_codes (
    person_id BLOB NOT NULL REFERENCES people (id),
    digest BLOB NOT NULL,
    PRIMARY KEY (person_id, digest)
) STRICT;

-- Guesses of passwords and codes. A subject is a digest: what strangers type is not told.
CREATE TABLE attempts (
    subject BLOB NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_by_last ON attempts (last_at);
