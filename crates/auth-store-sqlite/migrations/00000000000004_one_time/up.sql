-- What is good once: to be taken is to be deleted.
CREATE TABLE one_time (
    digest BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    content BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX one_time_by_end ON one_time (expires_at);
