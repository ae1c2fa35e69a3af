-- Secrets of webhooks are sealed under a key that is not in the database. `key_id`: under which; '': not sealed yet, as
-- those of older servers, which a server seals when it starts.
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_secret_check,
    ADD COLUMN key_id          text NOT NULL DEFAULT '',
    ADD COLUMN previous_key_id text NOT NULL DEFAULT '';
