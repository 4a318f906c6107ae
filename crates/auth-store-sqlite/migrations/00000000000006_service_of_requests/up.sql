-- The service that was asked; none, where an older version was.
ALTER TABLE requests_once ADD COLUMN service TEXT NOT NULL DEFAULT '';
