-- A page of a list is read in its order, newest first, and not sorted out of all that a tenant has.

DROP INDEX keys_of_account;
CREATE INDEX keys_of_account ON keys (account_id, service, id);
DROP INDEX keys_of_domain;
CREATE INDEX keys_of_domain ON keys (domain_id, service, id);
DROP INDEX tokens_of_domain;
CREATE INDEX tokens_of_domain ON tokens (domain_id, kind, id);
DROP INDEX calls_of_account;
CREATE INDEX calls_of_account ON calls (account_id, id);
DROP INDEX domains_of_account;
CREATE INDEX domains_of_account ON domains (account_id, id);
CREATE INDEX users_of_account ON users (account_id, id);
