-- Webhooks of campaigns: how far a campaign is, and what users win, told lease by lease and some wins at once.

-- `started_at_ms`: when a server has seen that the campaign runs. `events`: how many events have told of it (0014).
ALTER TABLE campaigns ADD started_at_ms bigint;
ALTER TABLE campaigns ADD events integer NOT NULL DEFAULT 0;
UPDATE campaigns SET started_at_ms = starts_at_ms WHERE starts_at_ms <= extract(epoch FROM statement_timestamp()) * 1000;

-- `told`: how many wins of a lease have been told. What was won before this migration is not told any more.
ALTER TABLE leases ADD told integer NOT NULL DEFAULT 0;
ALTER TABLE leases ADD CONSTRAINT leases_told CHECK (told BETWEEN 0 AND numbers) NOT VALID;
UPDATE leases l SET told = p.version FROM packets p WHERE p.packet_id = l.packet_id AND p.version > 0;
CREATE INDEX leases_untold ON leases (campaign_id) WHERE closed_at_ms IS NULL OR told < numbers - rest;

-- A campaign has ended when its books are closed: then what was spent and what went back are known, and all wins are told.
CREATE FUNCTION webhooks_of_campaigns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.events := OLD.events + 1;
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events(
            CASE WHEN NEW.closed_at_ms IS NOT NULL THEN 'campaign.ended'
                 WHEN OLD.started_at_ms IS DISTINCT FROM NEW.started_at_ms THEN 'campaign.started'
                 WHEN NEW.state = 'paused' THEN 'campaign.paused' ELSE 'campaign.resumed' END,
            ARRAY[NEW.campaign_id], ARRAY[NEW.events::bigint], ARRAY[OLD.events::bigint],
            ARRAY[CASE WHEN NEW.closed_at_ms IS NOT NULL THEN NEW.closed_at_ms
                       WHEN OLD.started_at_ms IS DISTINCT FROM NEW.started_at_ms THEN NEW.started_at_ms
                       ELSE (extract(epoch FROM statement_timestamp()) * 1000)::bigint END]);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER webhooks BEFORE UPDATE ON campaigns FOR EACH ROW
    WHEN ((OLD.closed_at_ms IS NULL AND NEW.closed_at_ms IS NOT NULL)
          OR (OLD.started_at_ms IS NULL AND NEW.started_at_ms IS NOT NULL)
          OR (OLD.state <> NEW.state AND NEW.state <> 'ended'))
    EXECUTE FUNCTION webhooks_of_campaigns();
