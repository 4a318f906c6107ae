-- Passkeys: the digest of the credential's identifier, the credential sealed, and what its counter showed last.
CREATE TABLE passkeys (
    id BYTEA NOT NULL PRIMARY KEY,
    person_id BYTEA NOT NULL REFERENCES people (id),
    digest BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    counter BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkeys_by_person ON passkeys (person_id);
