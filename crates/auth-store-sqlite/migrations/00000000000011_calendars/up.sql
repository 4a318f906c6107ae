-- Keys of the vault: the name of each, and a text that it sealed. The keys themselves lie outside the database.
CREATE TABLE vault_keys (
    name BLOB NOT NULL PRIMARY KEY,
    proof BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Connections of users with providers of calendars, their tokens sealed. A calendar is linked once, and a user has one of
-- each provider. An ended connection outlives its user until the provider was told.
CREATE TABLE connections (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    user_id BLOB NOT NULL,
    provider TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    address TEXT,
    scopes TEXT NOT NULL,
    status TEXT NOT NULL,
    key_name BLOB NOT NULL REFERENCES vault_keys (name),
    tokens BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    connected_at INTEGER NOT NULL,
    claim BLOB,
    failed_revocations INTEGER NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (user_id, provider),
    UNIQUE (issuer, subject)
) STRICT;
CREATE INDEX connections_by_status ON connections (status, id);
CREATE INDEX connections_by_key ON connections (key_name, id);

-- Transactions of authorization that stand open: the digests of what a callback must show.
CREATE TABLE authorizations (
    state BLOB NOT NULL PRIMARY KEY,
    binding BLOB NOT NULL,
    account_id BLOB NOT NULL REFERENCES accounts (id),
    user_id BLOB NOT NULL REFERENCES users (id),
    begun_by BLOB NOT NULL REFERENCES keys (id),
    provider TEXT NOT NULL,
    redirect_after TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX authorizations_by_user ON authorizations (user_id, expires_at);
CREATE INDEX authorizations_by_end ON authorizations (expires_at);
