-- How often a key was accepted.
ALTER TABLE keys ADD COLUMN use_count INTEGER NOT NULL DEFAULT 0;
