--
-- PostgreSQL database dump
--


-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: is_user(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.is_user(number bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((number >= 1) AND (number <= '9007199254740991'::bigint));


--
-- Name: account_type(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.account_type(account bigint) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (account <= 0) THEN 'system'::text WHEN public.is_user(account) THEN 'wallet'::text ELSE 'packet'::text END;


--
-- Name: add_webhook_events(text, bigint[], bigint[], bigint[], bigint[]); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.add_webhook_events(event_type text, subjects bigint[], numbers bigint[], previous_numbers bigint[], times_ms bigint[]) RETURNS void
    LANGUAGE sql
    AS $$
    WITH wanting AS (
        SELECT endpoint_id FROM webhook_endpoints
        WHERE state = 'enabled' AND (types = '{}' OR event_type = ANY(types))
    ), made AS (
        INSERT INTO webhook_events (type, subject, number, previous, at_ms)
        SELECT event_type, subject, number, previous, at_ms
        FROM unnest(subjects, numbers, previous_numbers, times_ms) AS e (subject, number, previous, at_ms)
        WHERE EXISTS (SELECT FROM wanting)
        ORDER BY subject, number
        RETURNING event_id, at_ms
    )
    INSERT INTO webhook_deliveries (endpoint_id, event_id, next_at_ms)
    SELECT endpoint_id, event_id, at_ms FROM made CROSS JOIN wanting
$$;


--
-- Name: beijing_day(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.beijing_day(at_ms bigint) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('1970-01-01'::date + (((at_ms + 28800000) / 86400000))::integer);


--
-- Name: beijing_day_ms(date); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.beijing_day_ms(day date) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((day - '1970-01-01'::date))::bigint * 86400000) - 28800000);


--
-- Name: beijing_year(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.beijing_year(at_ms bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (EXTRACT(year FROM ('1970-01-01 08:00:00'::timestamp without time zone + (((at_ms / 1000))::double precision * '00:00:01'::interval))))::integer;


--
-- Name: notify_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.notify_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
BEGIN
    PERFORM pg_notify('hongbao_changes', concat_ws(':', TG_ARGV[0], made ->> TG_ARGV[1], made ->> TG_ARGV[2]));
    RETURN NULL;
END
$$;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% are made once and never changed', TG_TABLE_NAME;
END $$;


--
-- Name: refuse_other_correction(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_other_correction() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'correction % was decided: it stays %', OLD.correction_id, OLD.state;
END $$;


--
-- Name: refuse_other_end(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_other_end() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'payment % has ended: it stays %', OLD.number, OLD.state;
END $$;


--
-- Name: seed_origin(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.seed_origin() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), 'seed_trees'::regclass::oid)
$$;


--
-- Name: webhooks_of_admissions(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_admissions() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('link.shown', array_agg(number), array_agg(0::bigint), array_agg(0::bigint),
                                   array_agg(at_ms))
        FROM added HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: webhooks_of_entries(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_entries() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('wallet.changed', array_agg(user_id), array_agg(version),
                                   array_agg(version - coalesce(cardinality(accounts), 1)), array_agg(at_ms))
        FROM added;
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: webhooks_of_messages(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_messages() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.claimed', array_agg(packet_id),
                                   array_agg(least(first + 500, end_index) + 1::bigint),
                                   array_agg(first + 1::bigint), array_agg(at_ms))
        FROM added, generate_series(first_index, end_index - 1, 500) AS first
        WHERE reminder = 1 AND is_user(stream_id)
        HAVING count(*) > 0;
        -- Planned each time: a plan that was made while `packets` was small, and kept, would read all of it.
        EXECUTE $query$
            SELECT add_webhook_events(type, array_agg(packet_id), array_agg(shares + 2::bigint),
                                      array_agg(version + 1::bigint), array_agg(at_ms))
            FROM (
                SELECT CASE reminder WHEN 2 THEN 'packet.finished' ELSE 'packet.refunded' END AS type,
                       packet_id, shares, version, added.at_ms
                FROM added JOIN packets USING (packet_id)
                WHERE reminder IN (2, 3) AND is_user(stream_id)
            ) AS ended
            GROUP BY type
        $query$;
    END IF;
    RETURN NULL;
END
$_$;


--
-- Name: webhooks_of_packets(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_packets() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.sent', array_agg(packet_id), array_agg(1::bigint), array_agg(0::bigint),
                                   array_agg(created_at_ms))
        FROM added WHERE kind <> 'shake' HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: webhooks_of_payments(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_payments() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('payment.ended', ARRAY[NEW.number], ARRAY[1::bigint], ARRAY[0::bigint],
                                   ARRAY[NEW.changed_at_ms]);
    END IF;
    RETURN NULL;
END
$$;


--
-- Name: webhooks_of_users(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.webhooks_of_users() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events(
            CASE WHEN NEW.banned_at_ms IS NULL THEN 'user.unbanned' ELSE 'user.banned' END, ARRAY[NEW.user_id],
            ARRAY[NEW.version], ARRAY[0::bigint],
            ARRAY[coalesce(NEW.banned_at_ms, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)]);
    END IF;
    RETURN NULL;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.accounts (
    account_id bigint NOT NULL,
    type text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    CONSTRAINT accounts_account_id_check CHECK ((account_id <= 0)),
    CONSTRAINT accounts_check CHECK (((account_id = 0) = (type = 'outside'::text))),
    CONSTRAINT accounts_type_check CHECK ((type = ANY (ARRAY['outside'::text, 'clearing'::text, 'in_transit'::text, 'suspense'::text, 'sponsor'::text, 'corrections'::text])))
);


--
-- Name: admissions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.admissions (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL,
    from_user bigint NOT NULL,
    depth smallint NOT NULL,
    depth_max smallint NOT NULL,
    at_ms bigint NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT admissions_check CHECK ((public.is_user(from_user) AND (from_user <> user_id))),
    CONSTRAINT admissions_check1 CHECK ((depth <= depth_max)),
    CONSTRAINT admissions_depth_check CHECK ((depth >= 1)),
    CONSTRAINT admissions_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: admissions_number_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.admissions ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.admissions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: best_lucks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.best_lucks (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL
);


--
-- Name: bills; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bills (
    sponsor_id bigint NOT NULL,
    number text NOT NULL,
    user_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    greeting text NOT NULL,
    scene text NOT NULL,
    asked_at_ms bigint NOT NULL,
    failed text DEFAULT ''::text NOT NULL,
    CONSTRAINT bills_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT bills_check CHECK ((public.is_user(user_id) AND (user_id <> sponsor_id))),
    CONSTRAINT bills_number_check CHECK (((octet_length(number) >= 1) AND (octet_length(number) <= 48))),
    CONSTRAINT bills_sponsor_id_check CHECK (public.is_user(sponsor_id))
);


--
-- Name: campaign_hours; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.campaign_hours (
    campaign_id bigint NOT NULL,
    at_ms bigint NOT NULL,
    shakes bigint NOT NULL,
    rests bigint NOT NULL,
    nothings bigint NOT NULL
);


--
-- Name: campaigns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.campaigns (
    campaign_id bigint NOT NULL,
    sponsor_id bigint NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    greeting text NOT NULL,
    cover text NOT NULL,
    group_id bigint NOT NULL,
    highlighted boolean NOT NULL,
    shares bigint NOT NULL,
    budget_fen bigint NOT NULL,
    share_fen_min bigint NOT NULL,
    share_fen_max bigint NOT NULL,
    per_user_limit integer NOT NULL,
    deck bytea NOT NULL,
    seed_index bigint NOT NULL,
    client_seed bytea NOT NULL,
    commitment bytea NOT NULL,
    created_at_ms bigint NOT NULL,
    starts_at_ms bigint NOT NULL,
    ends_at_ms bigint NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    next_number bigint DEFAULT 0 NOT NULL,
    published_left bigint NOT NULL,
    published_at_ms bigint NOT NULL,
    closed_at_ms bigint,
    returned_fen bigint DEFAULT 0 NOT NULL,
    CONSTRAINT campaigns_budget_fen_check CHECK ((budget_fen > 0)),
    CONSTRAINT campaigns_campaign_id_check CHECK ((campaign_id > '9007199254740991'::bigint)),
    CONSTRAINT campaigns_check CHECK ((ends_at_ms > starts_at_ms)),
    CONSTRAINT campaigns_check1 CHECK (((next_number >= 0) AND (next_number <= shares))),
    CONSTRAINT campaigns_check2 CHECK (((published_left >= 0) AND (published_left <= shares))),
    CONSTRAINT campaigns_check3 CHECK (((closed_at_ms IS NULL) OR (state = 'ended'::text))),
    CONSTRAINT campaigns_check4 CHECK (((returned_fen >= 0) AND (returned_fen <= budget_fen))),
    CONSTRAINT campaigns_client_seed_check CHECK (((length(client_seed) = 0) OR ((length(client_seed) >= 16) AND (length(client_seed) <= 32)))),
    CONSTRAINT campaigns_commitment_check CHECK ((length(commitment) = 32)),
    CONSTRAINT campaigns_per_user_limit_check CHECK ((per_user_limit > 0)),
    CONSTRAINT campaigns_share_fen_min_check CHECK ((share_fen_min > 0)),
    CONSTRAINT campaigns_shares_check CHECK ((shares > 0)),
    CONSTRAINT campaigns_state_check CHECK ((state = ANY (ARRAY['open'::text, 'paused'::text, 'ended'::text])))
)
WITH (fillfactor='60');


--
-- Name: card_challenges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.card_challenges (
    challenge_id bigint NOT NULL,
    user_id bigint NOT NULL,
    purpose text NOT NULL,
    card_id bigint,
    gateway text NOT NULL,
    card_ref text NOT NULL,
    bank text NOT NULL,
    last4 text NOT NULL,
    sealed bytea,
    key_id text NOT NULL,
    code_mac bytea NOT NULL,
    mac_key_id text NOT NULL,
    attempts smallint NOT NULL,
    sends smallint NOT NULL,
    sent_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    used_at_ms bigint,
    created_at_ms bigint NOT NULL,
    CONSTRAINT card_challenges_card_ref_check CHECK ((card_ref <> ''::text)),
    CONSTRAINT card_challenges_challenge_id_check CHECK ((challenge_id > '9007199254740991'::bigint)),
    CONSTRAINT card_challenges_check CHECK (((purpose = 'reset'::text) = (card_id IS NOT NULL))),
    CONSTRAINT card_challenges_purpose_check CHECK ((purpose = ANY (ARRAY['bind'::text, 'reset'::text]))),
    CONSTRAINT card_challenges_user_id_check CHECK (public.is_user(user_id))
)
WITH (fillfactor='80');


--
-- Name: cards; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.cards (
    card_id bigint NOT NULL,
    user_id bigint NOT NULL,
    gateway text NOT NULL,
    card_ref text NOT NULL,
    bank text NOT NULL,
    last4 text NOT NULL,
    sealed bytea,
    key_id text NOT NULL,
    bound_at_ms bigint NOT NULL,
    unbound_at_ms bigint,
    CONSTRAINT cards_card_id_check CHECK ((card_id > '9007199254740991'::bigint)),
    CONSTRAINT cards_card_ref_check CHECK ((card_ref <> ''::text)),
    CONSTRAINT cards_last4_check CHECK ((last4 ~ '^[0-9]{4}$'::text)),
    CONSTRAINT cards_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: claims; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.claims (
    packet_id bigint NOT NULL,
    index integer NOT NULL,
    user_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    at_ms bigint NOT NULL,
    CONSTRAINT claims_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT claims_index_check CHECK ((index >= 0)),
    CONSTRAINT claims_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint)))
);


--
-- Name: corrections; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.corrections (
    correction_id bigint NOT NULL,
    break_id bigint NOT NULL,
    debit_account bigint NOT NULL,
    credit_account bigint NOT NULL,
    amount_fen bigint NOT NULL,
    state text DEFAULT 'proposed'::text NOT NULL,
    proposed_uid bigint NOT NULL,
    proposed_at_ms bigint NOT NULL,
    decided_uid bigint,
    decided_at_ms bigint,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT corrections_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT corrections_by_two CHECK (((state <> 'approved'::text) OR (decided_uid <> proposed_uid))),
    CONSTRAINT corrections_check CHECK ((credit_account <> debit_account)),
    CONSTRAINT corrections_check1 CHECK ((((state = 'proposed'::text) = (decided_uid IS NULL)) AND ((decided_uid IS NULL) = (decided_at_ms IS NULL)))),
    CONSTRAINT corrections_state_check CHECK ((state = ANY (ARRAY['proposed'::text, 'approved'::text, 'rejected'::text])))
);


--
-- Name: corrections_correction_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.corrections ALTER COLUMN correction_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.corrections_correction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.entries (
    user_id bigint NOT NULL,
    version bigint NOT NULL,
    kind smallint NOT NULL,
    account bigint NOT NULL,
    key text DEFAULT ''::text NOT NULL,
    change_fen bigint NOT NULL,
    balance_fen bigint NOT NULL,
    at_ms bigint NOT NULL,
    accounts bigint[],
    changes_fen bigint[],
    CONSTRAINT entries_balance_fen_check CHECK ((balance_fen >= 0)),
    CONSTRAINT entries_version_check CHECK ((version > 0))
);


--
-- Name: event_ranges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_ranges (
    sponsor_id bigint NOT NULL,
    kind text NOT NULL,
    low_fen bigint NOT NULL,
    high_fen bigint NOT NULL,
    greeting text NOT NULL,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    set_at_ms bigint NOT NULL,
    CONSTRAINT event_ranges_check CHECK ((high_fen >= low_fen)),
    CONSTRAINT event_ranges_kind_check CHECK ((kind = ANY (ARRAY['follow'::text, 'sign_up'::text]))),
    CONSTRAINT event_ranges_low_fen_check CHECK ((low_fen > 0)),
    CONSTRAINT event_ranges_sponsor_id_check CHECK (public.is_user(sponsor_id))
);


--
-- Name: facts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.facts (
    name text NOT NULL,
    value bigint NOT NULL
);


--
-- Name: given_names; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.given_names (
    user_id bigint NOT NULL,
    unique_form text NOT NULL,
    CONSTRAINT given_names_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.groups (
    group_id bigint NOT NULL,
    name text NOT NULL,
    owner_id bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    external_id text,
    kind text DEFAULT 'group'::text NOT NULL,
    pair text,
    invite text,
    members_version bigint DEFAULT 0 NOT NULL,
    synced_version bigint DEFAULT 0 NOT NULL,
    deleted_at_ms bigint,
    CONSTRAINT groups_external_id CHECK (((octet_length(external_id) >= 1) AND (octet_length(external_id) <= 64))),
    CONSTRAINT groups_group_id_check CHECK ((group_id > '9007199254740991'::bigint)),
    CONSTRAINT groups_invite CHECK (((invite IS NULL) OR ((invite ~ '^[A-Z2-7]{16}$'::text) AND (kind = 'group'::text)))),
    CONSTRAINT groups_kind CHECK ((kind = ANY (ARRAY['group'::text, 'signed'::text, 'direct'::text]))),
    CONSTRAINT groups_pair CHECK (((kind = 'direct'::text) = (pair IS NOT NULL)))
);


--
-- Name: keyed_resends; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.keyed_resends (
    packet_id bigint NOT NULL,
    key text NOT NULL,
    group_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    message bigint NOT NULL,
    CONSTRAINT keyed_resends_key_check CHECK ((key <> ''::text))
);


--
-- Name: last_audit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.last_audit (
    only_row boolean DEFAULT true NOT NULL,
    at_ms bigint NOT NULL,
    took_s double precision NOT NULL,
    discrepancies integer NOT NULL,
    first text[] NOT NULL,
    checked text NOT NULL,
    CONSTRAINT last_audit_discrepancies_check CHECK ((discrepancies >= 0)),
    CONSTRAINT last_audit_only_row_check CHECK (only_row)
);


--
-- Name: leases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.leases (
    packet_id bigint NOT NULL,
    campaign_id bigint NOT NULL,
    first_number bigint NOT NULL,
    numbers integer NOT NULL,
    server_id bigint NOT NULL,
    closed_at_ms bigint,
    rest integer,
    rest_lease bigint,
    CONSTRAINT leases_check CHECK (((rest >= 0) AND (rest <= numbers))),
    CONSTRAINT leases_check1 CHECK (((closed_at_ms IS NULL) = (rest IS NULL))),
    CONSTRAINT leases_check2 CHECK (((rest_lease IS NULL) OR (rest > 0))),
    CONSTRAINT leases_first_number_check CHECK ((first_number >= 0)),
    CONSTRAINT leases_numbers_check CHECK (((numbers >= 1) AND (numbers <= 4096)))
);


--
-- Name: memberships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.memberships (
    group_id bigint NOT NULL,
    user_id bigint NOT NULL,
    joined_at_ms bigint,
    left_at_ms bigint,
    kicked_at_ms bigint,
    changed_version bigint DEFAULT 0 NOT NULL,
    by_other boolean DEFAULT false NOT NULL,
    backend_version bigint DEFAULT 0 NOT NULL,
    from_message bigint DEFAULT 0 NOT NULL,
    CONSTRAINT memberships_check CHECK (((kicked_at_ms IS NULL) OR (left_at_ms IS NOT NULL))),
    CONSTRAINT memberships_joined CHECK (((joined_at_ms IS NOT NULL) OR (left_at_ms IS NOT NULL))),
    CONSTRAINT memberships_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint)))
);


--
-- Name: messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.messages (
    stream_id bigint NOT NULL,
    message bigint NOT NULL,
    sender_id bigint NOT NULL,
    at_ms bigint NOT NULL,
    text text,
    packet_id bigint,
    reminder smallint,
    first_index integer,
    end_index integer,
    CONSTRAINT messages_check CHECK ((num_nonnulls(text, packet_id) = 1)),
    CONSTRAINT messages_claims CHECK (
CASE
    WHEN (reminder = 1) THEN ((first_index IS NOT NULL) AND (end_index IS NOT NULL) AND (first_index < end_index))
    ELSE (num_nonnulls(first_index, end_index) = 0)
END),
    CONSTRAINT messages_message_check CHECK ((message > 0)),
    CONSTRAINT messages_reminder CHECK (((reminder IS NULL) OR (((reminder >= 1) AND (reminder <= 3)) AND (packet_id IS NOT NULL))))
);


--
-- Name: migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    outbox_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    reminder smallint NOT NULL,
    at_ms bigint NOT NULL,
    packet_ids bigint[] NOT NULL,
    CONSTRAINT outbox_reminder_check CHECK (((reminder >= 1) AND (reminder <= 3)))
)
WITH (fillfactor='60');


--
-- Name: outbox_outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox ALTER COLUMN outbox_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: packet_groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.packet_groups (
    packet_id bigint NOT NULL,
    group_id bigint NOT NULL,
    at_ms bigint NOT NULL
);


--
-- Name: packets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.packets (
    packet_id bigint NOT NULL,
    sender_id bigint NOT NULL,
    key text NOT NULL,
    kind text NOT NULL,
    target_id bigint NOT NULL,
    total_fen bigint NOT NULL,
    shares integer NOT NULL,
    share_fen_min bigint NOT NULL,
    share_fen_max bigint NOT NULL,
    greeting text NOT NULL,
    seed bytea,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    claimed_fen bigint DEFAULT 0 NOT NULL,
    refunded_fen bigint DEFAULT 0 NOT NULL,
    closed_at_ms bigint,
    chat_id bigint,
    seed_index bigint,
    client_seed bytea,
    commitment bytea,
    only_for bigint[],
    words text,
    send_at_ms bigint,
    CONSTRAINT packets_check CHECK ((expires_at_ms > created_at_ms)),
    CONSTRAINT packets_check1 CHECK (((version >= 0) AND (version <= shares))),
    CONSTRAINT packets_check2 CHECK (((total_fen >= (shares * share_fen_min)) AND (total_fen <= (shares * share_fen_max)))),
    CONSTRAINT packets_check3 CHECK (((claimed_fen + refunded_fen) <= total_fen)),
    CONSTRAINT packets_check4 CHECK (((claimed_fen >= (version * share_fen_min)) AND (claimed_fen <= (version * share_fen_max)))),
    CONSTRAINT packets_check5 CHECK (((version < shares) = (claimed_fen < total_fen))),
    CONSTRAINT packets_check6 CHECK (((version < shares) OR (closed_at_ms IS NOT NULL))),
    CONSTRAINT packets_check7 CHECK ((((closed_at_ms IS NULL) AND (refunded_fen = 0)) OR ((claimed_fen + refunded_fen) = total_fen))),
    CONSTRAINT packets_kind_check CHECK ((kind = ANY (ARRAY['lucky'::text, 'equal'::text, 'personal'::text, 'shake'::text, 'fission'::text, 'exclusive'::text, 'password'::text, 'enterprise'::text]))),
    CONSTRAINT packets_only_for CHECK ((((kind = 'exclusive'::text) = (only_for IS NOT NULL)) AND ((only_for IS NULL) OR (cardinality(only_for) = shares)))),
    CONSTRAINT packets_packet_id_check CHECK ((packet_id > '9007199254740991'::bigint)),
    CONSTRAINT packets_refunded_fen_check CHECK ((refunded_fen >= 0)),
    CONSTRAINT packets_seed CHECK (
CASE
    WHEN (kind = 'shake'::text) THEN (num_nonnulls(seed, seed_index, client_seed, commitment) = 0)
    WHEN (seed IS NULL) THEN ((num_nulls(seed_index, client_seed, commitment) = 0) AND (length(commitment) = 32) AND ((length(client_seed) = 0) OR ((length(client_seed) >= 16) AND (length(client_seed) <= 32))))
    ELSE (num_nonnulls(seed_index, client_seed, commitment) = 0)
END),
    CONSTRAINT packets_seed_check CHECK ((length(seed) = 32)),
    CONSTRAINT packets_send_at CHECK (((send_at_ms > created_at_ms) AND (send_at_ms < expires_at_ms))),
    CONSTRAINT packets_share_fen_min_check CHECK ((share_fen_min > 0)),
    CONSTRAINT packets_shares_check CHECK ((shares > 0)),
    CONSTRAINT packets_total_fen_check CHECK ((total_fen > 0)),
    CONSTRAINT packets_words CHECK (((kind = 'password'::text) = (words IS NOT NULL)))
)
WITH (fillfactor='60');


--
-- Name: payers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payers (
    user_id bigint NOT NULL,
    password_hash text,
    pepper_id text DEFAULT ''::text NOT NULL,
    failures smallint DEFAULT 0 NOT NULL,
    locked_until_ms bigint DEFAULT 0 NOT NULL,
    CONSTRAINT payers_user_id_check CHECK (public.is_user(user_id))
)
WITH (fillfactor='80');


--
-- Name: payment_breaks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payment_breaks (
    number bigint,
    version bigint,
    at_ms bigint NOT NULL,
    detail text NOT NULL,
    break_id bigint NOT NULL,
    class text DEFAULT 'contradiction'::text NOT NULL,
    gateway text DEFAULT ''::text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    bank_ref text DEFAULT ''::text NOT NULL,
    statement_id bigint,
    line integer,
    day date,
    difference_fen bigint,
    due_at_ms bigint DEFAULT 0 NOT NULL,
    owner_uid bigint,
    owned_at_ms bigint,
    closed_at_ms bigint,
    closed_uid bigint,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT payment_breaks_check CHECK (((class = 'contradiction'::text) = (version IS NOT NULL))),
    CONSTRAINT payment_breaks_check1 CHECK (((closed_at_ms IS NULL) OR (reason <> ''::text))),
    CONSTRAINT payment_breaks_class_check CHECK ((class = ANY (ARRAY['contradiction'::text, 'bank_only'::text, 'ours_only'::text, 'amount'::text, 'state'::text, 'duplicate'::text, 'other_day'::text, 'other_account'::text])))
);


--
-- Name: payment_breaks_break_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.payment_breaks ALTER COLUMN break_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.payment_breaks_break_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: payment_evidence; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payment_evidence (
    number bigint NOT NULL,
    version bigint NOT NULL,
    at_ms bigint NOT NULL,
    source text NOT NULL,
    verdict text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    CONSTRAINT payment_evidence_version_check CHECK ((version > 0))
);


--
-- Name: payments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payments (
    number bigint NOT NULL,
    gateway text NOT NULL,
    kind text NOT NULL,
    user_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    key text,
    content text,
    state text DEFAULT 'created'::text NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try_ms bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    packet_id bigint,
    card_id bigint,
    account text DEFAULT ''::text NOT NULL,
    CONSTRAINT payments_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT payments_check1 CHECK (((packet_id IS NULL) OR ((kind = 'charge'::text) AND (state = 'succeeded'::text)))),
    CONSTRAINT payments_key CHECK ((((kind = 'payout'::text) OR (key IS NOT NULL)) AND ((kind = 'charge'::text) OR (content IS NULL)) AND ((key IS NOT NULL) OR (card_id IS NULL)))),
    CONSTRAINT payments_kind_check CHECK ((kind = ANY (ARRAY['charge'::text, 'payout'::text]))),
    CONSTRAINT payments_number_check CHECK ((number > '9007199254740991'::bigint)),
    CONSTRAINT payments_state_check CHECK ((state = ANY (ARRAY['created'::text, 'submitted'::text, 'succeeded'::text, 'failed'::text, 'unknown'::text]))),
    CONSTRAINT payments_user_id_check CHECK (public.is_user(user_id))
)
WITH (fillfactor='70');


--
-- Name: pending_transfers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pending_transfers (
    debit_account bigint NOT NULL,
    credit_account bigint NOT NULL,
    key text NOT NULL,
    amount_fen bigint NOT NULL,
    CONSTRAINT pending_transfers_amount_fen_check CHECK ((amount_fen > 0))
);


--
-- Name: posted_claims; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.posted_claims (
    packet_id bigint NOT NULL,
    claims integer NOT NULL,
    CONSTRAINT posted_claims_claims_check CHECK ((claims > 0))
);


--
-- Name: reactions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reactions (
    group_id bigint NOT NULL,
    user_id bigint NOT NULL,
    grabs bigint NOT NULL,
    first_places bigint NOT NULL,
    sent_packets bigint NOT NULL,
    recent_ms integer[] NOT NULL
)
WITH (fillfactor='60');


--
-- Name: received; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.received (
    user_id bigint NOT NULL,
    at_ms bigint NOT NULL,
    packet_id bigint NOT NULL
);


--
-- Name: scheduled_packets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.scheduled_packets (
    packet_id bigint NOT NULL,
    sender_id bigint NOT NULL,
    send_at_ms bigint NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    ended_at_ms bigint,
    CONSTRAINT scheduled_packets_check CHECK (((state = 'waiting'::text) = (ended_at_ms IS NULL))),
    CONSTRAINT scheduled_packets_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'posted'::text, 'cancelled'::text, 'returned'::text])))
)
WITH (fillfactor='80');


--
-- Name: seed_epochs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.seed_epochs (
    first_index bigint NOT NULL,
    origin text NOT NULL,
    key_id text NOT NULL,
    at_ms bigint NOT NULL,
    CONSTRAINT seed_epochs_first_index_check CHECK (((first_index >= 0) AND ((first_index % (64)::bigint) = 0)))
);


--
-- Name: seed_trees; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.seed_trees (
    user_id bigint NOT NULL,
    number bigint NOT NULL,
    root bytea NOT NULL,
    sealed bytea NOT NULL,
    key_id text NOT NULL,
    created_at_ms bigint NOT NULL,
    CONSTRAINT seed_trees_number_check CHECK ((number >= 0)),
    CONSTRAINT seed_trees_root_check CHECK ((length(root) = 32)),
    CONSTRAINT seed_trees_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint)))
);


--
-- Name: servers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.servers (
    server_id bigint NOT NULL,
    alive_at timestamp with time zone NOT NULL,
    address text DEFAULT ''::text NOT NULL
)
WITH (fillfactor='50');


--
-- Name: settlement_queue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.settlement_queue (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    queued_at_ms bigint NOT NULL,
    index integer NOT NULL,
    CONSTRAINT settlement_queue_amount_fen_check CHECK ((amount_fen > 0))
);


--
-- Name: sponsor_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sponsor_events (
    sponsor_id bigint NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL,
    user_id bigint NOT NULL,
    at_ms bigint NOT NULL,
    CONSTRAINT sponsor_events_event_id_check CHECK (((octet_length(event_id) >= 1) AND (octet_length(event_id) <= 64))),
    CONSTRAINT sponsor_events_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: sponsors; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sponsors (
    user_id bigint NOT NULL,
    name text NOT NULL,
    created_at_ms bigint NOT NULL,
    CONSTRAINT sponsors_name_check CHECK ((name <> ''::text)),
    CONSTRAINT sponsors_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: statement_results; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statement_results (
    statement_id bigint NOT NULL,
    class text NOT NULL,
    rows bigint NOT NULL,
    amount_fen bigint NOT NULL
);


--
-- Name: statement_rows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statement_rows (
    statement_id bigint NOT NULL,
    line integer NOT NULL,
    bank_ref text NOT NULL,
    number text NOT NULL,
    kind text NOT NULL,
    account text NOT NULL,
    amount_fen bigint NOT NULL,
    state text NOT NULL,
    at timestamp with time zone NOT NULL,
    payment bigint GENERATED ALWAYS AS (
CASE
    WHEN (((number ~ '^[1-9][0-9]{0,18}$'::text) AND (length(number) < 19)) OR ((number ~ '^[1-9][0-9]{18}$'::text) AND ((number COLLATE "C") <= '9223372036854775807'::text))) THEN (number)::bigint
    ELSE NULL::bigint
END) STORED,
    CONSTRAINT statement_rows_amount_fen_check CHECK ((amount_fen >= 0)),
    CONSTRAINT statement_rows_line_check CHECK ((line > 0))
);


--
-- Name: statement_sources; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statement_sources (
    gateway text NOT NULL,
    since date NOT NULL
);


--
-- Name: statements; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.statements (
    statement_id bigint NOT NULL,
    gateway text NOT NULL,
    merchant text NOT NULL,
    day date NOT NULL,
    issue smallint NOT NULL,
    rows integer NOT NULL,
    sha256 text NOT NULL,
    serial text NOT NULL,
    signature text NOT NULL,
    is_current boolean NOT NULL,
    imported_at_ms bigint NOT NULL,
    imported_uid bigint NOT NULL,
    matched_at_ms bigint,
    CONSTRAINT statements_issue_check CHECK (((issue >= 1) AND (issue <= 9))),
    CONSTRAINT statements_rows_check CHECK ((rows >= 0))
);


--
-- Name: statements_statement_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.statements ALTER COLUMN statement_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.statements_statement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: streams; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.streams (
    stream_id bigint NOT NULL,
    last_message bigint NOT NULL,
    CONSTRAINT streams_last_message_check CHECK ((last_message >= 0))
)
WITH (fillfactor='50');


--
-- Name: transfers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.transfers (
    debit_account bigint NOT NULL,
    credit_account bigint NOT NULL,
    kind smallint NOT NULL,
    key text NOT NULL,
    amount_fen bigint NOT NULL,
    at_ms bigint NOT NULL,
    CONSTRAINT transfers_accounts CHECK (
CASE kind
    WHEN 1 THEN ((debit_account = 0) AND public.is_user(credit_account) AND (key <> ''::text))
    WHEN 2 THEN ((credit_account = 0) AND public.is_user(debit_account) AND (key <> ''::text))
    WHEN 3 THEN (public.is_user(debit_account) AND (credit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 4 THEN (public.is_user(credit_account) AND (debit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 5 THEN (public.is_user(credit_account) AND (debit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 6 THEN (public.is_user(debit_account) AND (credit_account <= 0) AND (key <> ''::text))
    WHEN 7 THEN (public.is_user(debit_account) AND (credit_account <= 0) AND (key <> ''::text))
    WHEN 8 THEN (public.is_user(debit_account) AND (credit_account <= 0) AND (key <> ''::text))
    WHEN 9 THEN ((debit_account = 0) AND public.is_user(credit_account) AND (key <> ''::text))
    WHEN 10 THEN (public.is_user(debit_account) AND (credit_account = '-2'::integer) AND (key <> ''::text))
    WHEN 11 THEN ((debit_account = '-2'::integer) AND (credit_account = 0) AND (key <> ''::text))
    WHEN 12 THEN ((debit_account = '-2'::integer) AND public.is_user(credit_account) AND (key <> ''::text))
    WHEN 13 THEN (public.is_user(debit_account) AND public.is_user(credit_account) AND (debit_account <> credit_account) AND (key <> ''::text))
    WHEN 14 THEN (public.is_user(debit_account) AND (credit_account = 0) AND (key <> ''::text))
    WHEN 15 THEN ((debit_account <= '9007199254740991'::bigint) AND (credit_account <= '9007199254740991'::bigint) AND (debit_account <> credit_account) AND (key <> ''::text))
    WHEN 18 THEN (public.is_user(debit_account) AND (credit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 19 THEN ((debit_account > '9007199254740991'::bigint) AND (credit_account > '9007199254740991'::bigint) AND (debit_account <> credit_account) AND (key = ''::text))
    WHEN 20 THEN ((debit_account > '9007199254740991'::bigint) AND (credit_account > '9007199254740991'::bigint) AND (debit_account <> credit_account) AND (key = ''::text))
    WHEN 21 THEN (public.is_user(credit_account) AND (debit_account > '9007199254740991'::bigint) AND (key = ''::text))
    ELSE false
END),
    CONSTRAINT transfers_amount_fen_check CHECK ((amount_fen > 0))
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    user_id bigint CONSTRAINT known_users_user_id_not_null NOT NULL,
    name text DEFAULT ''::text CONSTRAINT known_users_name_not_null NOT NULL,
    unique_name text,
    banned_at_ms bigint,
    tokens_from_s bigint DEFAULT 0 CONSTRAINT known_users_tokens_from_s_not_null NOT NULL,
    version bigint DEFAULT 1 CONSTRAINT known_users_version_not_null NOT NULL,
    avatar_url text DEFAULT ''::text NOT NULL,
    CONSTRAINT users_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: wallet_orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallet_orders (
    user_id bigint NOT NULL,
    kind smallint NOT NULL,
    key text NOT NULL,
    other_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    text text NOT NULL,
    at_ms bigint NOT NULL,
    CONSTRAINT wallet_orders_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT wallet_orders_check CHECK ((((kind = 14) = (other_id = 0)) AND (other_id <> user_id))),
    CONSTRAINT wallet_orders_key_check CHECK ((key <> ''::text)),
    CONSTRAINT wallet_orders_kind_check CHECK ((kind = ANY (ARRAY[13, 14]))),
    CONSTRAINT wallet_orders_user_id_check CHECK (public.is_user(user_id))
);


--
-- Name: wallets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallets (
    user_id bigint NOT NULL,
    balance_fen bigint NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    pending_fen bigint DEFAULT 0 NOT NULL,
    next_seed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT wallets_balance_fen_check CHECK ((balance_fen >= 0)),
    CONSTRAINT wallets_pending CHECK (((pending_fen >= 0) AND (pending_fen <= balance_fen))),
    CONSTRAINT wallets_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint))),
    CONSTRAINT wallets_version_check CHECK ((version > 0))
)
WITH (fillfactor='50');


--
-- Name: webhook_deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_deliveries (
    endpoint_id bigint NOT NULL,
    event_id bigint NOT NULL,
    state smallint DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at_ms bigint NOT NULL,
    last_at_ms bigint DEFAULT 0 NOT NULL,
    last_status smallint DEFAULT 0 NOT NULL,
    last_error text DEFAULT ''::text NOT NULL,
    CONSTRAINT webhook_deliveries_state_check CHECK (((state >= 0) AND (state <= 2)))
)
WITH (fillfactor='80');


--
-- Name: webhook_endpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_endpoints (
    endpoint_id bigint NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    state text DEFAULT 'enabled'::text NOT NULL,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_until_ms bigint DEFAULT 0 NOT NULL,
    created_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL,
    key_id text DEFAULT ''::text NOT NULL,
    previous_key_id text DEFAULT ''::text NOT NULL,
    CONSTRAINT webhook_endpoints_name_check CHECK ((name <> ''::text)),
    CONSTRAINT webhook_endpoints_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text, 'gone'::text, 'removed'::text])))
);


--
-- Name: webhook_endpoints_endpoint_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.webhook_endpoints ALTER COLUMN endpoint_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_endpoints_endpoint_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: webhook_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.webhook_events (
    event_id bigint NOT NULL,
    webhook_id uuid DEFAULT gen_random_uuid() NOT NULL,
    type text NOT NULL,
    subject bigint NOT NULL,
    number bigint NOT NULL,
    previous bigint NOT NULL,
    at_ms bigint NOT NULL
);


--
-- Name: webhook_events_event_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.webhook_events ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhook_events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: wins; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wins (
    campaign_id bigint NOT NULL,
    user_id bigint NOT NULL,
    n integer NOT NULL,
    packet_id bigint NOT NULL,
    index integer NOT NULL,
    CONSTRAINT wins_n_check CHECK ((n > 0))
);


--
-- Name: words_said; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.words_said (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL,
    attempts smallint NOT NULL,
    said_at_ms bigint,
    CONSTRAINT words_said_user_id_check CHECK (public.is_user(user_id))
)
WITH (fillfactor='80');


--
-- Name: years; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.years (
    user_id bigint NOT NULL,
    year integer NOT NULL,
    sent_count bigint DEFAULT 0 NOT NULL,
    sent_fen bigint DEFAULT 0 NOT NULL,
    received_count bigint DEFAULT 0 NOT NULL,
    received_fen bigint DEFAULT 0 NOT NULL,
    best_lucks bigint DEFAULT 0 NOT NULL,
    CONSTRAINT years_best_lucks_check CHECK ((best_lucks >= 0)),
    CONSTRAINT years_check CHECK ((sent_fen >= sent_count)),
    CONSTRAINT years_check1 CHECK ((received_fen >= received_count)),
    CONSTRAINT years_received_count_check CHECK ((received_count >= 0)),
    CONSTRAINT years_sent_count_check CHECK ((sent_count >= 0)),
    CONSTRAINT years_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint)))
)
WITH (fillfactor='50');


--
-- Data for Name: accounts; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.accounts VALUES (0, 'outside', '');
INSERT INTO public.accounts VALUES (-1, 'clearing', '');
INSERT INTO public.accounts VALUES (-2, 'in_transit', '');
INSERT INTO public.accounts VALUES (-3, 'suspense', '');
INSERT INTO public.accounts VALUES (-4, 'corrections', '');


--
-- Data for Name: admissions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: best_lucks; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: bills; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.bills VALUES (700, 'done', 1, 888, 'done', '', 1790000058000, '');
INSERT INTO public.bills VALUES (700, 'open', 2, 666, 'open', '', 1790000058000, '');
INSERT INTO public.bills VALUES (701, 'failed', 3, 500, 'failed', '', 1790000058000, 'not_enough_money');
INSERT INTO public.bills VALUES (700, 'event.follow.3', 3, 265, 'thanks', '', 1790000058000, '');


--
-- Data for Name: campaign_hours; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.campaign_hours VALUES (227794327961600000, 1789999200000, 9, 0, 0);


--
-- Data for Name: campaigns; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.campaigns VALUES (227794357321728004, 700, 'key of running', 'running', '', '', 0, false, 40, 10434, 200, 450, 2, '\x686f6e6762616f206465636b20310a62616e64732034300a32303020323939203930303030300a33303020353030203130303030300a', 1790000000001, '\x', '\x9ccb923269f66125e0ba9de6d9b9f3acf83b821d73517a61329fc3b3b0e604ff', 1790000007000, 1758550400000, 1790086400000, 'open', 1, 40, 38, 1790000058000, NULL, 0);
INSERT INTO public.campaigns VALUES (227794327961600000, 700, 'key of over', 'over', '', '', 0, false, 20, 5142, 200, 400, 1, '\x686f6e6762616f206465636b20310a62616e64732032300a32303020323939203930303030300a33303020353030203130303030300a', 1790000000000, '\x', '\x87da62b36e54948518d840cfa77384eed314f8442e71913b1085085de5a2ed4f', 1790000000000, 1758550400000, 1790086400000, 'ended', 3, 8, 18, 1790000007000, 1790000007000, 4637);
INSERT INTO public.campaigns VALUES (227794571231232002, 700, 'key of later', 'later', '', '', 0, false, 20, 5142, 200, 400, 1, '\x686f6e6762616f206465636b20310a62616e64732032300a32303020323939203930303030300a33303020353030203130303030300a', 1790000000003, '\x', '\x9e5cb309b74a83f24a81f5efcfa459fc7ad4b4d3e98d59c01056261af4cdee10', 1790000058000, 1790043200000, 1790086400000, 'open', 1, 0, 20, 1790000058000, NULL, 0);
INSERT INTO public.campaigns VALUES (227794369904640002, 700, 'key of paused', 'paused', '', '', 0, false, 20, 5142, 200, 400, 1, '\x686f6e6762616f206465636b20310a62616e64732032300a32303020323939203930303030300a33303020353030203130303030300a', 1790000000002, '\x', '\x771a892d2ead92b211395980e6dce6bc47e10b4f31139bc1d2104d61646290ff', 1790000010000, 1758550400000, 1790086400000, 'paused', 2, 4, 19, 1790000058000, NULL, 0);


--
-- Data for Name: card_challenges; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: cards; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: claims; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.claims VALUES (227794327961600001, 0, 1, 283, 1790000007000);
INSERT INTO public.claims VALUES (227794327961600001, 1, 2, 222, 1790000007000);
INSERT INTO public.claims VALUES (227794357321728005, 0, 1, 213, 1790000010000);
INSERT INTO public.claims VALUES (227794357321728005, 1, 2, 216, 1790000010000);
INSERT INTO public.claims VALUES (227794369904640000, 0, 3, 244, 1790000010000);
INSERT INTO public.claims VALUES (227794558648320000, 0, 1, 211, 1790000058000);
INSERT INTO public.claims VALUES (227794571231232003, 0, 1, 888, 1790000058000);


--
-- Data for Name: corrections; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: entries; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.entries VALUES (700, 1, 1, 0, 'funds', 1000000, 1000000, 1790000000000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 2, 18, 227794327961600000, '', -5142, 994858, 1790000000000, NULL, NULL);
INSERT INTO public.entries VALUES (1, 1, 4, 227794327961600001, '', 283, 283, 1790000007000, NULL, NULL);
INSERT INTO public.entries VALUES (2, 1, 4, 227794327961600001, '', 222, 222, 1790000007000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 3, 21, 227794327961600000, '', 4637, 999495, 1790000007000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 4, 18, 227794357321728004, '', -10434, 989061, 1790000007000, NULL, NULL);
INSERT INTO public.entries VALUES (1, 2, 4, 227794357321728005, '', 213, 496, 1790000010000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 5, 18, 227794369904640002, '', -5142, 983919, 1790000010000, NULL, NULL);
INSERT INTO public.entries VALUES (2, 2, 4, 227794357321728005, '', 216, 438, 1790000010000, NULL, NULL);
INSERT INTO public.entries VALUES (3, 1, 4, 227794369904640000, '', 244, 244, 1790000010000, NULL, NULL);
INSERT INTO public.entries VALUES (1, 3, 4, 227794558648320000, '', 211, 707, 1790000058000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 6, 18, 227794571231232002, '', -5142, 978777, 1790000058000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 7, 3, 227794571231232003, '', -888, 977889, 1790000058000, NULL, NULL);
INSERT INTO public.entries VALUES (1, 4, 4, 227794571231232003, '', 888, 1595, 1790000058000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 8, 3, 227794571231232004, '', -666, 977223, 1790000058000, NULL, NULL);
INSERT INTO public.entries VALUES (700, 9, 3, 227794571231232006, '', -265, 976958, 1790000058000, NULL, NULL);


--
-- Data for Name: event_ranges; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.event_ranges VALUES (700, 'follow', 200, 300, 'thanks', '\x463665e4562641bb7599bdf47f9b321851cf2df218e35bba0b1bb309a238332f8484b5f7e5cc56e3b368ef3d793591b22e1f87b056cc5b054126b48b', 'test', 1790000058000);


--
-- Data for Name: facts; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.facts VALUES ('first_id', 9007199254740992);
INSERT INTO public.facts VALUES ('first_posted_packet', 1);


--
-- Data for Name: given_names; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.given_names VALUES (700, '某超市');
INSERT INTO public.given_names VALUES (701, 'bakery');


--
-- Data for Name: groups; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: keyed_resends; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: last_audit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: leases; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.leases VALUES (227794327961600001, 227794327961600000, 0, 2, 2955123584555540509, 1790000007000, 0, NULL);
INSERT INTO public.leases VALUES (227794357321728000, 227794327961600000, 2, 2, 2955123584555540509, 1790000007000, 2, NULL);
INSERT INTO public.leases VALUES (227794357321728001, 227794327961600000, 4, 2, 2955123584555540509, 1790000007000, 2, NULL);
INSERT INTO public.leases VALUES (227794357321728002, 227794327961600000, 6, 2, 2955123584555540509, 1790000007000, 2, NULL);
INSERT INTO public.leases VALUES (227794369904640000, 227794357321728004, 2, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794357321728005, 227794357321728004, 0, 2, 2955123584555540509, 1790000010000, 0, NULL);
INSERT INTO public.leases VALUES (227794369904640001, 227794357321728004, 4, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794369904640003, 227794357321728004, 6, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794369904640004, 227794357321728004, 8, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794378293248000, 227794357321728004, 10, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794399264768000, 227794357321728004, 12, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794407653376000, 227794357321728004, 14, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794420236288000, 227794357321728004, 16, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794441207808000, 227794357321728004, 18, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794445402112000, 227794357321728004, 20, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794457985024000, 227794357321728004, 22, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794466373632000, 227794357321728004, 24, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794474762240000, 227794357321728004, 26, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794487345152000, 227794357321728004, 28, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794499928064000, 227794357321728004, 30, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794512510976000, 227794357321728004, 32, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794525093888000, 227794357321728004, 34, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794529288192000, 227794357321728004, 36, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794537676800000, 227794357321728004, 38, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794558648320000, 227794369904640002, 0, 2, 2955123584555540509, NULL, NULL, NULL);
INSERT INTO public.leases VALUES (227794571231232000, 227794369904640002, 2, 2, 2955123584555540509, NULL, NULL, NULL);


--
-- Data for Name: memberships; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: messages; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.messages VALUES (1, 1, 700, 1790000058000, NULL, 227794571231232003, NULL, NULL, NULL);
INSERT INTO public.messages VALUES (2, 1, 700, 1790000058000, NULL, 227794571231232004, NULL, NULL, NULL);
INSERT INTO public.messages VALUES (3, 1, 700, 1790000058000, NULL, 227794571231232006, NULL, NULL, NULL);
INSERT INTO public.messages VALUES (700, 1, 0, 1790000058000, NULL, 227794571231232003, 1, 0, 1);
INSERT INTO public.messages VALUES (700, 2, 0, 1790000058000, NULL, 227794571231232003, 2, NULL, NULL);


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.migrations VALUES (1, '0001_books', '998c89a868b86d1b8492be822fdfcf42721acbc8b686a71efcd97b8a2e049f0a', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (2, '0002_records', '9c08c64ccb51cd04342b81812d796012dd805184a26131d7ae06d3cf84fec1dc', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (3, '0003_people', 'd85cfdab96fd554382e30fdf5e843a8bf8dc87a70cd7635540824b5e939f9368', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (4, '0004_balances', '4d45b668b90857a4019b8f228f80838b54844644edd17e764acb3052bca8b7f8', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (5, '0005_accounts', '0b8d0c42cf8a26c27a0dfa31094769ff0f241ad0997a2c0b672637d95448bf25', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (6, '0006_batches', '4b1094e9301751645da85d8b9e092e80ed56882a282e18fdf3d3520ccec6f653', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (7, '0007_people', '3b6f0967bc0f2f3cb2c270f55ae87780714fc18030dc1a9eb75c49e606aca32b', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (8, '0008_groups', 'fa2ed41b2a2b7d73505fad89f5e8634e29006701c4098187c4b0a0f6d7f5a6d4', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (9, '0009_seeds', 'e26c5d8bc698230a0e22fa8acee6354a59f7c8f4638659e2692f9c1f0b10d9ec', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (10, '0010_change_feed', '4183375c5801e5b5b85db8c3de9832f7360e79d83c21773783e5efc45262fde5', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (11, '0011_given_names', 'c50058d0e739343c4c0181c12bc5fd799919da6f1d325ef6a55d33b7ba8d969f', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (12, '0012_last_audit', '13944f4ea5ed30decc2caa855dda608d566d5f8de942d8fff17167282f6a9216', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (13, '0013_http_api', 'a3aab8b23a73efd8f92aae22b8ece5d765149b48a1d0007b1e2afff22aa49706', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (14, '0014_webhooks', '9b400092012457e9ceff6a8e27a9a0ab1f7c8f4b534f2a3767950db8d7454e43', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (15, '0015_payments', 'ea36414f4d5abcccda0800eefe9a93be4b98aa92e350cfbd70afb127a319c2d3', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (16, '0016_webhook_secrets', 'c3505650c47896e23747c882f33b6b7d3d95322b0351f3abf3bfdc14e7368eea', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (17, '0017_payments_by_gateway', '4c4e9ce1117b5149bb6c1735dd673dd043abda454680a2f2d8d055353bba86cb', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (18, '0018_cards', 'e6c4753538bd2f39ec69d767eeb7376a7b803abe65e456c8449890cb37b72095', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (19, '0019_reconciliation', 'c5a5d8d19acbdc393a874b3301c878a5212af0a61433be805a162dfbdd489f60', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (20, '0020_campaigns', '20cf1fe233a9570d7ebc48785459f8e0b85788d17b531df6621fca74717c94ea', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (21, '0021_fission', 'e328429fac722032a3280c34ad76beae8d4a37145cfd5ca93fa5be7c484c7419', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (22, '0022_everyday_packets', 'fbbaca6f66d7482c0ea054fbabea0b8394d4922a8c3a478050a0f77e091956c4', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (23, '0023_enterprise', '1d80c41c1300965f10fa409df448200b0099b24533f30cf3d1f9ff9fea346796', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (24, '0024_scheduled_packets', 'b5505a92d8b13c275a26ae0c3aa37c8b78a74847348d52b34fd59c99a8a16d90', '2026-11-29 15:35:16.12275+00');
INSERT INTO public.migrations VALUES (25, '0025_peers', '664046ee36de05ec83beb795158e8f0914267e91b41bceebe3ae939176cb87d1', '2026-11-29 15:35:16.12275+00');


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: packet_groups; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: packets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.packets VALUES (227794327961600001, 700, 'lease 227794327961600001', 'shake', 227794327961600000, 505, 2, 222, 283, '', NULL, 1790000000000, 1790086400000, 2, 505, 0, 1790000007000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794357321728000, 700, 'lease 227794357321728000', 'shake', 227794327961600000, 444, 2, 211, 233, '', NULL, 1790000007000, 1790086400000, 0, 0, 444, 1790000007000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794357321728001, 700, 'lease 227794357321728001', 'shake', 227794327961600000, 454, 2, 216, 238, '', NULL, 1790000007000, 1790086400000, 0, 0, 454, 1790000007000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794357321728002, 700, 'lease 227794357321728002', 'shake', 227794327961600000, 543, 2, 255, 288, '', NULL, 1790000007000, 1790086400000, 0, 0, 543, 1790000007000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794357321728005, 700, 'lease 227794357321728005', 'shake', 227794357321728004, 429, 2, 213, 216, '', NULL, 1790000007000, 1790086400000, 2, 429, 0, 1790000010000, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794369904640001, 700, 'lease 227794369904640001', 'shake', 227794357321728004, 680, 2, 280, 400, '', NULL, 1790000010000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794369904640000, 700, 'lease 227794369904640000', 'shake', 227794357321728004, 507, 2, 244, 263, '', NULL, 1790000010000, 1790086400000, 1, 244, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794369904640003, 700, 'lease 227794369904640003', 'shake', 227794357321728004, 510, 2, 222, 288, '', NULL, 1790000010000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794369904640004, 700, 'lease 227794369904640004', 'shake', 227794357321728004, 521, 2, 238, 283, '', NULL, 1790000010000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794378293248000, 700, 'lease 227794378293248000', 'shake', 227794357321728004, 516, 2, 241, 275, '', NULL, 1790000012000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794399264768000, 700, 'lease 227794399264768000', 'shake', 227794357321728004, 419, 2, 208, 211, '', NULL, 1790000017000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794407653376000, 700, 'lease 227794407653376000', 'shake', 227794357321728004, 644, 2, 294, 350, '', NULL, 1790000019000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794420236288000, 700, 'lease 227794420236288000', 'shake', 227794357321728004, 552, 2, 255, 297, '', NULL, 1790000022000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794441207808000, 700, 'lease 227794441207808000', 'shake', 227794357321728004, 441, 2, 205, 236, '', NULL, 1790000027000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794445402112000, 700, 'lease 227794445402112000', 'shake', 227794357321728004, 452, 2, 225, 227, '', NULL, 1790000028000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794457985024000, 700, 'lease 227794457985024000', 'shake', 227794357321728004, 463, 2, 230, 233, '', NULL, 1790000031000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794466373632000, 700, 'lease 227794466373632000', 'shake', 227794357321728004, 486, 2, 200, 286, '', NULL, 1790000033000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794474762240000, 700, 'lease 227794474762240000', 'shake', 227794357321728004, 513, 2, 247, 266, '', NULL, 1790000035000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794487345152000, 700, 'lease 227794487345152000', 'shake', 227794357321728004, 560, 2, 269, 291, '', NULL, 1790000038000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794499928064000, 700, 'lease 227794499928064000', 'shake', 227794357321728004, 502, 2, 202, 300, '', NULL, 1790000041000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794512510976000, 700, 'lease 227794512510976000', 'shake', 227794357321728004, 524, 2, 252, 272, '', NULL, 1790000044000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794525093888000, 700, 'lease 227794525093888000', 'shake', 227794357321728004, 469, 2, 219, 250, '', NULL, 1790000047000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794529288192000, 700, 'lease 227794529288192000', 'shake', 227794357321728004, 708, 2, 258, 450, '', NULL, 1790000048000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794537676800000, 700, 'lease 227794537676800000', 'shake', 227794357321728004, 538, 2, 261, 277, '', NULL, 1790000050000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794558648320000, 700, 'lease 227794558648320000', 'shake', 227794369904640002, 416, 2, 205, 211, '', NULL, 1790000055000, 1790086400000, 1, 211, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794571231232000, 700, 'lease 227794571231232000', 'shake', 227794369904640002, 661, 2, 261, 400, '', NULL, 1790000058000, 1790086400000, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794571231232003, 700, 'bill:done', 'enterprise', 1, 888, 1, 1, 20000, 'done', NULL, 1790000058000, 1790086458000, 1, 888, 0, 1790000058000, NULL, 1790000000004, '\x', '\x49990c506d590a0f794f6e8b99cf4c97f38c966c1ba7438eac3fcb1e43dad1f8', NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794571231232004, 700, 'bill:open', 'enterprise', 2, 666, 1, 1, 20000, 'open', NULL, 1790000058000, 1790086458000, 0, 0, 0, NULL, NULL, 1790000000005, '\x', '\x2cf0e51821a7d0c35cbdc15b22124906b6007c81effe10274350f6727cd8f035', NULL, NULL, NULL);
INSERT INTO public.packets VALUES (227794571231232006, 700, 'bill:event.follow.3', 'enterprise', 3, 265, 1, 1, 20000, 'thanks', NULL, 1790000058000, 1790086458000, 0, 0, 0, NULL, NULL, 1790000000006, '\x', '\x9165bec48c45a6e6d5e34eececd39f937eac34df9828091c504ca9dceaf93810', NULL, NULL, NULL);


--
-- Data for Name: payers; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: payment_breaks; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: payment_evidence; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: payments; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: pending_transfers; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: posted_claims; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: reactions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: received; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.received VALUES (1, 1790000007000, 227794327961600001);
INSERT INTO public.received VALUES (2, 1790000007000, 227794327961600001);
INSERT INTO public.received VALUES (1, 1790000010000, 227794357321728005);
INSERT INTO public.received VALUES (2, 1790000010000, 227794357321728005);
INSERT INTO public.received VALUES (3, 1790000010000, 227794369904640000);
INSERT INTO public.received VALUES (1, 1790000058000, 227794558648320000);
INSERT INTO public.received VALUES (1, 1790000058000, 227794571231232003);


--
-- Data for Name: scheduled_packets; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: seed_epochs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.seed_epochs VALUES (1790000000000, '7713617435797899228/00000001/17473/16754', 'test', 1790000000000);


--
-- Data for Name: seed_trees; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.seed_trees VALUES (700, 27968750000, '\xba96cfcdbefdaa0cb3775bb92298fe3efef060c99bca46edbd7c8b0cd9cd8478', '\x73d0a5f75adedf38fe8bc6cd3781f794eb5aca368a02c4bae3a5bac086317ac5b63b5c09cb675ee6cb5796974aa571b4dfca171892cd767a65864163', 'test', 1790000000000);
INSERT INTO public.seed_trees VALUES (700, 27968750001, '\x929f255ee157d927c0c0931711ec74572051573211f95aa95bf25e31c3122415', '\x06c640c4aec67222180a24ccc258c93b90826f901ec257832ffc8b872ad15f8fbeebbb942aef29ddd30c21eebfe8012696eedd00f761b7919515573f', 'test', 1790000000000);
INSERT INTO public.seed_trees VALUES (701, 27968750000, '\x71b041da8f8abfb872392c97f3d9a49a464d0dc89775fd853f1cb3211fe6cfe3', '\x3bd1ecc53a72d938c0a854fee048401f383e2b8128452c6b1bca307f821ef372845a53aaf84acb7437e3e99cb8e791746bdd4ae12ab544ea5de67ea5', 'test', 1790000000000);
INSERT INTO public.seed_trees VALUES (701, 27968750001, '\x20ca52dea9eae206e6d4e192e3f4dc912aa22e1dfd0c955474326c735f409127', '\x2794a571256162053b9076a600afdc4601336b6f9b1fc9c5bb4f6b4e2b49c2966dd687960f0abb54847533e68f5494d9ef188f96a5a38ced09d40699', 'test', 1790000000000);


--
-- Data for Name: servers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.servers VALUES (2955123584555540509, '2026-11-29 15:35:22.871125+00', '');


--
-- Data for Name: settlement_queue; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: sponsor_events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.sponsor_events VALUES (700, 'event-1', 'follow', 3, 1790000058000);


--
-- Data for Name: sponsors; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.sponsors VALUES (700, '某超市', 1790000000000);
INSERT INTO public.sponsors VALUES (701, 'Bakery', 1790000000000);


--
-- Data for Name: statement_results; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: statement_rows; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: statement_sources; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: statements; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: streams; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.streams VALUES (1, 1);
INSERT INTO public.streams VALUES (2, 1);
INSERT INTO public.streams VALUES (3, 1);
INSERT INTO public.streams VALUES (700, 2);


--
-- Data for Name: transfers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.transfers VALUES (0, 700, 1, 'funds', 1000000, 1790000000000);
INSERT INTO public.transfers VALUES (700, 227794327961600000, 18, '', 5142, 1790000000000);
INSERT INTO public.transfers VALUES (227794327961600000, 227794327961600001, 19, '', 505, 1790000000000);
INSERT INTO public.transfers VALUES (227794327961600000, 227794357321728000, 19, '', 444, 1790000007000);
INSERT INTO public.transfers VALUES (227794327961600001, 1, 4, '', 283, 1790000007000);
INSERT INTO public.transfers VALUES (227794327961600000, 227794357321728001, 19, '', 454, 1790000007000);
INSERT INTO public.transfers VALUES (227794327961600000, 227794357321728002, 19, '', 543, 1790000007000);
INSERT INTO public.transfers VALUES (227794327961600001, 2, 4, '', 222, 1790000007000);
INSERT INTO public.transfers VALUES (227794357321728000, 227794327961600000, 20, '', 444, 1790000007000);
INSERT INTO public.transfers VALUES (227794357321728001, 227794327961600000, 20, '', 454, 1790000007000);
INSERT INTO public.transfers VALUES (227794357321728002, 227794327961600000, 20, '', 543, 1790000007000);
INSERT INTO public.transfers VALUES (227794327961600000, 700, 21, '', 4637, 1790000007000);
INSERT INTO public.transfers VALUES (700, 227794357321728004, 18, '', 10434, 1790000007000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794357321728005, 19, '', 429, 1790000007000);
INSERT INTO public.transfers VALUES (227794357321728005, 1, 4, '', 213, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794369904640000, 19, '', 507, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794369904640001, 19, '', 680, 1790000010000);
INSERT INTO public.transfers VALUES (227794369904640000, 3, 4, '', 244, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728005, 2, 4, '', 216, 1790000010000);
INSERT INTO public.transfers VALUES (700, 227794369904640002, 18, '', 5142, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794369904640003, 19, '', 510, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794369904640004, 19, '', 521, 1790000010000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794378293248000, 19, '', 516, 1790000012000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794399264768000, 19, '', 419, 1790000017000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794407653376000, 19, '', 644, 1790000019000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794420236288000, 19, '', 552, 1790000022000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794441207808000, 19, '', 441, 1790000027000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794445402112000, 19, '', 452, 1790000028000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794457985024000, 19, '', 463, 1790000031000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794466373632000, 19, '', 486, 1790000033000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794474762240000, 19, '', 513, 1790000035000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794487345152000, 19, '', 560, 1790000038000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794499928064000, 19, '', 502, 1790000041000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794512510976000, 19, '', 524, 1790000044000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794525093888000, 19, '', 469, 1790000047000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794529288192000, 19, '', 708, 1790000048000);
INSERT INTO public.transfers VALUES (227794357321728004, 227794537676800000, 19, '', 538, 1790000050000);
INSERT INTO public.transfers VALUES (227794369904640002, 227794558648320000, 19, '', 416, 1790000055000);
INSERT INTO public.transfers VALUES (227794369904640002, 227794571231232000, 19, '', 661, 1790000058000);
INSERT INTO public.transfers VALUES (227794558648320000, 1, 4, '', 211, 1790000058000);
INSERT INTO public.transfers VALUES (700, 227794571231232002, 18, '', 5142, 1790000058000);
INSERT INTO public.transfers VALUES (700, 227794571231232003, 3, '', 888, 1790000058000);
INSERT INTO public.transfers VALUES (227794571231232003, 1, 4, '', 888, 1790000058000);
INSERT INTO public.transfers VALUES (700, 227794571231232004, 3, '', 666, 1790000058000);
INSERT INTO public.transfers VALUES (700, 227794571231232006, 3, '', 265, 1790000058000);


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.users VALUES (1, '', NULL, NULL, 0, 1, '');
INSERT INTO public.users VALUES (2, '', NULL, NULL, 0, 1, '');
INSERT INTO public.users VALUES (3, '', NULL, NULL, 0, 1, '');
INSERT INTO public.users VALUES (700, '某超市', NULL, NULL, 1790000001, 3, '');
INSERT INTO public.users VALUES (701, 'Bakery', NULL, NULL, 1790000001, 3, '');


--
-- Data for Name: wallet_orders; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: wallets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.wallets VALUES (2, 438, 2, 0, 0);
INSERT INTO public.wallets VALUES (3, 244, 1, 0, 0);
INSERT INTO public.wallets VALUES (1, 1595, 4, 0, 0);
INSERT INTO public.wallets VALUES (700, 976958, 9, 0, 1790000000007);


--
-- Data for Name: webhook_deliveries; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: webhook_endpoints; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: webhook_events; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: wins; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.wins VALUES (227794327961600000, 1, 1, 227794327961600001, 0);
INSERT INTO public.wins VALUES (227794327961600000, 2, 1, 227794327961600001, 1);
INSERT INTO public.wins VALUES (227794357321728004, 1, 1, 227794357321728005, 0);
INSERT INTO public.wins VALUES (227794357321728004, 2, 1, 227794357321728005, 1);
INSERT INTO public.wins VALUES (227794357321728004, 3, 1, 227794369904640000, 0);
INSERT INTO public.wins VALUES (227794369904640002, 1, 1, 227794558648320000, 0);


--
-- Data for Name: words_said; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: years; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.years VALUES (2, 2026, 0, 0, 2, 438, 0);
INSERT INTO public.years VALUES (3, 2026, 0, 0, 1, 244, 0);
INSERT INTO public.years VALUES (1, 2026, 0, 0, 4, 1595, 0);
INSERT INTO public.years VALUES (700, 2026, 3, 1819, 0, 0, 0);


--
-- Name: admissions_number_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.admissions_number_seq', 1, false);


--
-- Name: corrections_correction_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.corrections_correction_id_seq', 1, false);


--
-- Name: outbox_outbox_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.outbox_outbox_id_seq', 1, true);


--
-- Name: payment_breaks_break_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.payment_breaks_break_id_seq', 1, false);


--
-- Name: statements_statement_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.statements_statement_id_seq', 1, false);


--
-- Name: webhook_endpoints_endpoint_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.webhook_endpoints_endpoint_id_seq', 1, false);


--
-- Name: webhook_events_event_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.webhook_events_event_id_seq', 1, false);


--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);


--
-- Name: accounts accounts_type_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_type_name_key UNIQUE (type, name);


--
-- Name: admissions admissions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.admissions
    ADD CONSTRAINT admissions_pkey PRIMARY KEY (packet_id, user_id);


--
-- Name: best_lucks best_lucks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.best_lucks
    ADD CONSTRAINT best_lucks_pkey PRIMARY KEY (packet_id);


--
-- Name: bills bills_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bills
    ADD CONSTRAINT bills_pkey PRIMARY KEY (sponsor_id, number);


--
-- Name: campaign_hours campaign_hours_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.campaign_hours
    ADD CONSTRAINT campaign_hours_pkey PRIMARY KEY (campaign_id, at_ms);


--
-- Name: campaigns campaigns_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_pkey PRIMARY KEY (campaign_id);


--
-- Name: campaigns campaigns_sponsor_id_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_sponsor_id_key_key UNIQUE (sponsor_id, key);


--
-- Name: campaigns campaigns_sponsor_id_seed_index_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_sponsor_id_seed_index_key UNIQUE (sponsor_id, seed_index);


--
-- Name: card_challenges card_challenges_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.card_challenges
    ADD CONSTRAINT card_challenges_pkey PRIMARY KEY (challenge_id);


--
-- Name: cards cards_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.cards
    ADD CONSTRAINT cards_pkey PRIMARY KEY (card_id);


--
-- Name: claims claims_packet_id_user_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_packet_id_user_id_key UNIQUE (packet_id, user_id);


--
-- Name: claims claims_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (packet_id, index);


--
-- Name: corrections corrections_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT corrections_pkey PRIMARY KEY (correction_id);


--
-- Name: entries entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (user_id, version);


--
-- Name: event_ranges event_ranges_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_ranges
    ADD CONSTRAINT event_ranges_pkey PRIMARY KEY (sponsor_id, kind);


--
-- Name: facts facts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (name);


--
-- Name: given_names given_names_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.given_names
    ADD CONSTRAINT given_names_pkey PRIMARY KEY (user_id);


--
-- Name: groups groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (group_id);


--
-- Name: keyed_resends keyed_resends_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keyed_resends
    ADD CONSTRAINT keyed_resends_pkey PRIMARY KEY (packet_id, key);


--
-- Name: last_audit last_audit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.last_audit
    ADD CONSTRAINT last_audit_pkey PRIMARY KEY (only_row);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (packet_id);


--
-- Name: memberships memberships_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (group_id, user_id);


--
-- Name: messages messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (stream_id, message);


--
-- Name: migrations migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (outbox_id);


--
-- Name: packet_groups packet_groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.packet_groups
    ADD CONSTRAINT packet_groups_pkey PRIMARY KEY (packet_id, group_id);


--
-- Name: packets packets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.packets
    ADD CONSTRAINT packets_pkey PRIMARY KEY (packet_id);


--
-- Name: packets packets_sender_id_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.packets
    ADD CONSTRAINT packets_sender_id_key_key UNIQUE (sender_id, key);


--
-- Name: payers payers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payers
    ADD CONSTRAINT payers_pkey PRIMARY KEY (user_id);


--
-- Name: payment_breaks payment_breaks_number_version_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_breaks
    ADD CONSTRAINT payment_breaks_number_version_key UNIQUE (number, version);


--
-- Name: payment_breaks payment_breaks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_breaks
    ADD CONSTRAINT payment_breaks_pkey PRIMARY KEY (break_id);


--
-- Name: payment_evidence payment_evidence_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_evidence
    ADD CONSTRAINT payment_evidence_pkey PRIMARY KEY (number, version);


--
-- Name: payments payments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (number);


--
-- Name: pending_transfers pending_transfers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pending_transfers
    ADD CONSTRAINT pending_transfers_pkey PRIMARY KEY (debit_account, credit_account, key);


--
-- Name: posted_claims posted_claims_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.posted_claims
    ADD CONSTRAINT posted_claims_pkey PRIMARY KEY (packet_id);


--
-- Name: reactions reactions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_pkey PRIMARY KEY (group_id, user_id);


--
-- Name: received received_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.received
    ADD CONSTRAINT received_pkey PRIMARY KEY (user_id, at_ms, packet_id);


--
-- Name: scheduled_packets scheduled_packets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.scheduled_packets
    ADD CONSTRAINT scheduled_packets_pkey PRIMARY KEY (packet_id);


--
-- Name: seed_epochs seed_epochs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seed_epochs
    ADD CONSTRAINT seed_epochs_pkey PRIMARY KEY (first_index);


--
-- Name: seed_trees seed_trees_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seed_trees
    ADD CONSTRAINT seed_trees_pkey PRIMARY KEY (user_id, number);


--
-- Name: servers servers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (server_id);


--
-- Name: sponsor_events sponsor_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sponsor_events
    ADD CONSTRAINT sponsor_events_pkey PRIMARY KEY (sponsor_id, event_id);


--
-- Name: sponsors sponsors_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sponsors
    ADD CONSTRAINT sponsors_pkey PRIMARY KEY (user_id);


--
-- Name: statement_results statement_results_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_results
    ADD CONSTRAINT statement_results_pkey PRIMARY KEY (statement_id, class);


--
-- Name: statement_rows statement_rows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_rows
    ADD CONSTRAINT statement_rows_pkey PRIMARY KEY (statement_id, line);


--
-- Name: statement_sources statement_sources_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_sources
    ADD CONSTRAINT statement_sources_pkey PRIMARY KEY (gateway);


--
-- Name: statements statements_gateway_day_issue_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_gateway_day_issue_key UNIQUE (gateway, day, issue);


--
-- Name: statements statements_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statements
    ADD CONSTRAINT statements_pkey PRIMARY KEY (statement_id);


--
-- Name: streams streams_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (stream_id);


--
-- Name: transfers transfers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.transfers
    ADD CONSTRAINT transfers_pkey PRIMARY KEY (debit_account, credit_account, kind, key);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (user_id);


--
-- Name: wallet_orders wallet_orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallet_orders
    ADD CONSTRAINT wallet_orders_pkey PRIMARY KEY (user_id, kind, key);


--
-- Name: wallets wallets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_pkey PRIMARY KEY (user_id);


--
-- Name: webhook_deliveries webhook_deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (endpoint_id, event_id);


--
-- Name: webhook_endpoints webhook_endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (endpoint_id);


--
-- Name: webhook_events webhook_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.webhook_events
    ADD CONSTRAINT webhook_events_pkey PRIMARY KEY (event_id);


--
-- Name: wins wins_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wins
    ADD CONSTRAINT wins_pkey PRIMARY KEY (campaign_id, user_id, n);


--
-- Name: words_said words_said_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words_said
    ADD CONSTRAINT words_said_pkey PRIMARY KEY (packet_id, user_id);


--
-- Name: years years_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.years
    ADD CONSTRAINT years_pkey PRIMARY KEY (user_id, year);


--
-- Name: admissions_number; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX admissions_number ON public.admissions USING btree (number);


--
-- Name: admissions_of_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX admissions_of_user ON public.admissions USING btree (user_id, number);


--
-- Name: bills_of_day; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX bills_of_day ON public.bills USING btree (sponsor_id, user_id, asked_at_ms);


--
-- Name: campaigns_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX campaigns_open ON public.campaigns USING btree (campaign_id) WHERE (closed_at_ms IS NULL);


--
-- Name: card_challenges_of_card; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX card_challenges_of_card ON public.card_challenges USING btree (gateway, card_ref, created_at_ms);


--
-- Name: card_challenges_of_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX card_challenges_of_user ON public.card_challenges USING btree (user_id, created_at_ms);


--
-- Name: cards_bound; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX cards_bound ON public.cards USING btree (user_id, gateway, card_ref) WHERE (unbound_at_ms IS NULL);


--
-- Name: cards_of_card; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX cards_of_card ON public.cards USING btree (gateway, card_ref) WHERE (unbound_at_ms IS NULL);


--
-- Name: cards_of_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX cards_of_user ON public.cards USING btree (user_id);


--
-- Name: corrections_of_break; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX corrections_of_break ON public.corrections USING btree (break_id);


--
-- Name: given_names_unique_form; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX given_names_unique_form ON public.given_names USING btree (unique_form);


--
-- Name: groups_external_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX groups_external_id ON public.groups USING btree (external_id) WHERE (external_id IS NOT NULL);


--
-- Name: groups_invite; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX groups_invite ON public.groups USING btree (invite) WHERE (invite IS NOT NULL);


--
-- Name: groups_pair; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX groups_pair ON public.groups USING btree (pair) WHERE (pair IS NOT NULL);


--
-- Name: leases_of_campaign; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX leases_of_campaign ON public.leases USING btree (campaign_id, first_number);


--
-- Name: leases_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX leases_open ON public.leases USING btree (server_id, campaign_id) WHERE (closed_at_ms IS NULL);


--
-- Name: leases_rests; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX leases_rests ON public.leases USING btree (campaign_id, first_number) WHERE ((rest > 0) AND (rest_lease IS NULL));


--
-- Name: memberships_changed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX memberships_changed ON public.memberships USING btree (group_id, changed_version) WHERE (changed_version > 0);


--
-- Name: memberships_of_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX memberships_of_user ON public.memberships USING btree (user_id) WHERE (left_at_ms IS NULL);


--
-- Name: packets_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX packets_open ON public.packets USING btree (expires_at_ms) WHERE (closed_at_ms IS NULL);


--
-- Name: packets_seeds; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX packets_seeds ON public.packets USING btree (sender_id, seed_index) WHERE (seed_index IS NOT NULL);


--
-- Name: packets_sent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX packets_sent ON public.packets USING btree (sender_id, created_at_ms DESC, packet_id DESC);


--
-- Name: payment_breaks_of_subject; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX payment_breaks_of_subject ON public.payment_breaks USING btree (gateway, class, subject) WHERE (class <> 'contradiction'::text);


--
-- Name: payment_breaks_open; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX payment_breaks_open ON public.payment_breaks USING btree (gateway, class, subject) WHERE ((closed_at_ms IS NULL) AND (class <> 'contradiction'::text));


--
-- Name: payments_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX payments_due ON public.payments USING btree (gateway, next_try_ms) WHERE (state = ANY (ARRAY['created'::text, 'submitted'::text, 'unknown'::text]));


--
-- Name: payments_failed_payouts; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX payments_failed_payouts ON public.payments USING btree (user_id, changed_at_ms) WHERE ((kind = 'payout'::text) AND (key IS NULL) AND (state = 'failed'::text));


--
-- Name: payments_of_day; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX payments_of_day ON public.payments USING btree (user_id, created_at_ms) WHERE (key IS NOT NULL);


--
-- Name: payments_of_send; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX payments_of_send ON public.payments USING btree (user_id, key) WHERE (kind = 'charge'::text);


--
-- Name: payments_of_withdrawal; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX payments_of_withdrawal ON public.payments USING btree (user_id, key) WHERE (kind = 'payout'::text);


--
-- Name: payments_open_payout; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX payments_open_payout ON public.payments USING btree (user_id) WHERE ((kind = 'payout'::text) AND (key IS NULL) AND (state = ANY (ARRAY['created'::text, 'submitted'::text, 'unknown'::text])));


--
-- Name: payments_succeeded; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX payments_succeeded ON public.payments USING btree (gateway, changed_at_ms) WHERE (state = 'succeeded'::text);


--
-- Name: scheduled_packets_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX scheduled_packets_due ON public.scheduled_packets USING btree (send_at_ms) WHERE (state = 'waiting'::text);


--
-- Name: scheduled_packets_of_sender; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX scheduled_packets_of_sender ON public.scheduled_packets USING btree (sender_id, send_at_ms) WHERE (state = 'waiting'::text);


--
-- Name: settlement_queue_largest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX settlement_queue_largest ON public.settlement_queue USING btree (amount_fen DESC);


--
-- Name: statement_rows_of_payment; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX statement_rows_of_payment ON public.statement_rows USING btree (payment) WHERE (payment IS NOT NULL);


--
-- Name: statement_rows_of_ref; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX statement_rows_of_ref ON public.statement_rows USING btree (bank_ref);


--
-- Name: statements_current; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX statements_current ON public.statements USING btree (gateway, day) WHERE is_current;


--
-- Name: statements_unmatched; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX statements_unmatched ON public.statements USING btree (statement_id) WHERE (matched_at_ms IS NULL);


--
-- Name: users_unique_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX users_unique_name ON public.users USING btree (unique_name) WHERE (unique_name IS NOT NULL);


--
-- Name: wallet_orders_of_day; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX wallet_orders_of_day ON public.wallet_orders USING btree (user_id, at_ms) WHERE (kind = 13);


--
-- Name: webhook_deliveries_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (endpoint_id, next_at_ms) WHERE (state = 0);


--
-- Name: webhook_endpoints_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX webhook_endpoints_name ON public.webhook_endpoints USING btree (name) WHERE (state <> 'removed'::text);


--
-- Name: claims claims_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER claims_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.claims FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: corrections corrections_stay_decided; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER corrections_stay_decided BEFORE UPDATE ON public.corrections FOR EACH ROW WHEN ((old.state <> 'proposed'::text)) EXECUTE FUNCTION public.refuse_other_correction();


--
-- Name: entries entries_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER entries_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: campaigns notify_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_change AFTER UPDATE ON public.campaigns FOR EACH ROW WHEN ((old.version <> new.version)) EXECUTE FUNCTION public.notify_change('campaign', 'campaign_id', 'version');


--
-- Name: groups notify_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_change AFTER UPDATE ON public.groups FOR EACH ROW WHEN ((old.members_version <> new.members_version)) EXECUTE FUNCTION public.notify_change('group', 'group_id', 'members_version');


--
-- Name: users notify_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_change AFTER UPDATE ON public.users FOR EACH ROW WHEN ((old.version <> new.version)) EXECUTE FUNCTION public.notify_change('user', 'user_id', 'version');


--
-- Name: admissions notify_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_insert AFTER INSERT ON public.admissions FOR EACH ROW EXECUTE FUNCTION public.notify_change('admission', 'user_id', 'number');


--
-- Name: campaigns notify_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_insert AFTER INSERT ON public.campaigns FOR EACH ROW EXECUTE FUNCTION public.notify_change('campaign', 'campaign_id', 'version');


--
-- Name: groups notify_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_insert AFTER INSERT ON public.groups FOR EACH ROW WHEN ((new.members_version > 0)) EXECUTE FUNCTION public.notify_change('group', 'group_id', 'members_version');


--
-- Name: users notify_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER notify_insert AFTER INSERT ON public.users FOR EACH ROW WHEN (((new.version > 1) OR (new.name <> ''::text))) EXECUTE FUNCTION public.notify_change('user', 'user_id', 'version');


--
-- Name: payment_evidence payment_evidence_stays; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER payment_evidence_stays BEFORE DELETE OR UPDATE OR TRUNCATE ON public.payment_evidence FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: payments payments_stay_ended; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER payments_stay_ended BEFORE UPDATE ON public.payments FOR EACH ROW WHEN (((old.state = ANY (ARRAY['succeeded'::text, 'failed'::text])) AND (new.state <> old.state))) EXECUTE FUNCTION public.refuse_other_end();


--
-- Name: seed_epochs seed_epochs_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER seed_epochs_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.seed_epochs FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: seed_trees seed_trees_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER seed_trees_stay BEFORE DELETE OR UPDATE OF user_id, number, root OR TRUNCATE ON public.seed_trees FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: statement_rows statement_rows_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER statement_rows_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.statement_rows FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: transfers transfers_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transfers_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transfers FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: wallet_orders wallet_orders_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wallet_orders_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.wallet_orders FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: admissions webhooks; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks AFTER INSERT ON public.admissions REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.webhooks_of_admissions();


--
-- Name: entries webhooks; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks AFTER INSERT ON public.entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.webhooks_of_entries();


--
-- Name: messages webhooks; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks AFTER INSERT ON public.messages REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.webhooks_of_messages();


--
-- Name: packets webhooks; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks AFTER INSERT ON public.packets REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.webhooks_of_packets();


--
-- Name: payments webhooks; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks AFTER UPDATE ON public.payments FOR EACH ROW WHEN (((new.state = ANY (ARRAY['succeeded'::text, 'failed'::text])) AND (old.state <> ALL (ARRAY['succeeded'::text, 'failed'::text])))) EXECUTE FUNCTION public.webhooks_of_payments();


--
-- Name: users webhooks_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks_change AFTER UPDATE ON public.users FOR EACH ROW WHEN (((old.banned_at_ms IS NULL) <> (new.banned_at_ms IS NULL))) EXECUTE FUNCTION public.webhooks_of_users();


--
-- Name: users webhooks_insert; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER webhooks_insert AFTER INSERT ON public.users FOR EACH ROW WHEN ((new.banned_at_ms IS NOT NULL)) EXECUTE FUNCTION public.webhooks_of_users();


--
-- Name: wins wins_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER wins_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.wins FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: campaigns campaigns_sponsor_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_sponsor_id_fkey FOREIGN KEY (sponsor_id) REFERENCES public.sponsors(user_id);


--
-- Name: corrections corrections_break_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.corrections
    ADD CONSTRAINT corrections_break_id_fkey FOREIGN KEY (break_id) REFERENCES public.payment_breaks(break_id);


--
-- Name: keyed_resends keyed_resends_packet_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.keyed_resends
    ADD CONSTRAINT keyed_resends_packet_id_fkey FOREIGN KEY (packet_id) REFERENCES public.packets(packet_id);


--
-- Name: leases leases_campaign_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES public.campaigns(campaign_id);


--
-- Name: memberships memberships_group_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(group_id);


--
-- Name: packet_groups packet_groups_group_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.packet_groups
    ADD CONSTRAINT packet_groups_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(group_id);


--
-- Name: packet_groups packet_groups_packet_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.packet_groups
    ADD CONSTRAINT packet_groups_packet_id_fkey FOREIGN KEY (packet_id) REFERENCES public.packets(packet_id);


--
-- Name: payment_breaks payment_breaks_number_version_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_breaks
    ADD CONSTRAINT payment_breaks_number_version_fkey FOREIGN KEY (number, version) REFERENCES public.payment_evidence(number, version);


--
-- Name: payment_breaks payment_breaks_statement_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_breaks
    ADD CONSTRAINT payment_breaks_statement_id_fkey FOREIGN KEY (statement_id) REFERENCES public.statements(statement_id);


--
-- Name: payment_evidence payment_evidence_number_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payment_evidence
    ADD CONSTRAINT payment_evidence_number_fkey FOREIGN KEY (number) REFERENCES public.payments(number);


--
-- Name: statement_results statement_results_statement_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.statement_results
    ADD CONSTRAINT statement_results_statement_id_fkey FOREIGN KEY (statement_id) REFERENCES public.statements(statement_id);


--
-- PostgreSQL database dump complete
--


