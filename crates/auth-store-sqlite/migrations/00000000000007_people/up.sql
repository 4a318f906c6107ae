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
