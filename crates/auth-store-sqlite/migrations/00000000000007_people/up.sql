-- Keys that sign access tokens, their private halves sealed with a key that lies outside the database.
CREATE TABLE signing_keys (
    number INTEGER NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    ends_at INTEGER
) STRICT;

-- Who logs in. An address is one person.
CREATE TABLE people (
    id BLOB NOT NULL PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    status TEXT NOT NULL,
    super_admin INTEGER NOT NULL,
    verified_at INTEGER,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Who belongs to which domain.
CREATE TABLE members (
    domain_id BLOB NOT NULL REFERENCES domains (id),
    person_id BLOB NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (domain_id, person_id)
) STRICT;
CREATE INDEX members_by_person ON members (person_id);

-- Sessions of people: the digest of the refresh token that is good, of the one before it, and its successor sealed.
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    person_id BLOB NOT NULL REFERENCES people (id),
    domain_id BLOB REFERENCES domains (id),
    audience TEXT NOT NULL,
    role TEXT,
    amr INTEGER NOT NULL,
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    refresh BLOB NOT NULL,
    parent BLOB,
    successor BLOB,
    refreshed_at INTEGER,
    idle_ends_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_why TEXT
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person_id, id);
CREATE INDEX sessions_by_end ON sessions (idle_ends_at);
