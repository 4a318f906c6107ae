-- How people become members: by approval, or at once.
ALTER TABLE domains ADD COLUMN joining TEXT NOT NULL DEFAULT 'approval';

-- Who asks to be a member of which domain.
CREATE TABLE applicants (
    domain_id BLOB NOT NULL REFERENCES domains (id),
    person_id BLOB NOT NULL REFERENCES people (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (domain_id, person_id)
) STRICT;
CREATE INDEX applicants_by_person ON applicants (person_id);
