-- Keys that sign access tokens, their private halves sealed with a key that lies outside the database.
CREATE TABLE signing_keys (
    number BIGINT NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    signs_from BIGINT NOT NULL,
    ends_at BIGINT
);

-- Who logs in. An address is one person.
CREATE TABLE people (
    id BYTEA NOT NULL PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    status TEXT NOT NULL,
    super_admin BIGINT NOT NULL,
    verified_at BIGINT,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- Who belongs to which domain.
CREATE TABLE members (
    domain_id BYTEA NOT NULL REFERENCES domains (id),
    person_id BYTEA NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (domain_id, person_id)
);
CREATE INDEX members_by_person ON members (person_id);

-- Sessions of people: the digest of the refresh token that is good, of the one before it, and its successor sealed.
CREATE TABLE sessions (
    id BYTEA NOT NULL PRIMARY KEY,
    person_id BYTEA NOT NULL REFERENCES people (id),
    domain_id BYTEA REFERENCES domains (id),
    audience TEXT NOT NULL,
    role TEXT,
    amr BIGINT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    refresh BYTEA NOT NULL,
    parent BYTEA,
    successor BYTEA,
    refreshed_at BIGINT,
    idle_ends_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_why TEXT
);
CREATE INDEX sessions_by_person ON sessions (person_id, id);
CREATE INDEX sessions_by_end ON sessions (idle_ends_at);
