-- What is good once: to be taken is to be deleted.
CREATE TABLE one_time (
    digest BYTEA NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    content BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_by_end ON one_time (expires_at);
