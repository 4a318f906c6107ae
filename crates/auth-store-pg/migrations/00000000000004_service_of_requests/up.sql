-- The service that was asked. Those of a day before may be the other's.
ALTER TABLE requests_once ADD COLUMN service TEXT NOT NULL DEFAULT 'hub';
