-- What the audit chain's key makes of a fixed text: a store is opened with its own key alone, also before its trail has
-- an entry.

CREATE TABLE audit_key (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof BLOB NOT NULL
) STRICT;
