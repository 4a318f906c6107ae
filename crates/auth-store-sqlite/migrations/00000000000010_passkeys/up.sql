-- Passkeys: the digest of the credential's identifier, the credential sealed, and what its counter showed last.
CREATE TABLE passkeys (
    id BLOB NOT NULL PRIMARY KEY,
    person_id BLOB NOT NULL REFERENCES people (id),
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    counter INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX passkeys_by_person ON passkeys (person_id);
