-- How often a key was accepted.
ALTER TABLE keys ADD COLUMN use_count BIGINT NOT NULL DEFAULT 0;
