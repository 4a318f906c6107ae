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
