-- What the audit chain's key makes of a fixed text: a store is opened with its own key alone, also before its trail has
-- an entry.

CREATE TABLE audit_key (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    proof BLOB NOT NULL
) STRICT;

-- The row of zeros holds the number of the list of replicas, as notice_head does: a list that was emptied is seen to be.
ALTER TABLE notice_head ADD COLUMN list INTEGER NOT NULL DEFAULT 0;
INSERT INTO replicas (id, applied) VALUES (X'00000000000000000000000000000000', 0);
