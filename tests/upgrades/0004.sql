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
-- Name: beijing_year(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.beijing_year(at_ms bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (EXTRACT(year FROM ('1970-01-01 08:00:00'::timestamp without time zone + (((at_ms / 1000))::double precision * '00:00:01'::interval))))::integer;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% are made once and never changed', TG_TABLE_NAME;
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: best_lucks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.best_lucks (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL
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
-- Name: groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.groups (
    group_id bigint NOT NULL,
    name text NOT NULL,
    owner_id bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    CONSTRAINT groups_group_id_check CHECK ((group_id > '9007199254740991'::bigint))
);


--
-- Name: memberships; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.memberships (
    group_id bigint NOT NULL,
    user_id bigint NOT NULL,
    joined_at_ms bigint NOT NULL,
    left_at_ms bigint,
    kicked_at_ms bigint,
    CONSTRAINT memberships_check CHECK (((kicked_at_ms IS NULL) OR (left_at_ms IS NOT NULL))),
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
    CONSTRAINT messages_check CHECK ((num_nonnulls(text, packet_id) = 1)),
    CONSTRAINT messages_message_check CHECK ((message > 0))
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
    seed bytea NOT NULL,
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    claimed_fen bigint DEFAULT 0 NOT NULL,
    refunded_fen bigint DEFAULT 0 NOT NULL,
    closed_at_ms bigint,
    CONSTRAINT packets_check CHECK ((expires_at_ms > created_at_ms)),
    CONSTRAINT packets_check1 CHECK (((version >= 0) AND (version <= shares))),
    CONSTRAINT packets_check2 CHECK (((total_fen >= (shares * share_fen_min)) AND (total_fen <= (shares * share_fen_max)))),
    CONSTRAINT packets_check3 CHECK (((claimed_fen + refunded_fen) <= total_fen)),
    CONSTRAINT packets_check4 CHECK (((claimed_fen >= (version * share_fen_min)) AND (claimed_fen <= (version * share_fen_max)))),
    CONSTRAINT packets_check5 CHECK (((version < shares) = (claimed_fen < total_fen))),
    CONSTRAINT packets_check6 CHECK (((version < shares) OR (closed_at_ms IS NOT NULL))),
    CONSTRAINT packets_check7 CHECK ((((closed_at_ms IS NULL) AND (refunded_fen = 0)) OR ((claimed_fen + refunded_fen) = total_fen))),
    CONSTRAINT packets_kind_check CHECK ((kind = ANY (ARRAY['lucky'::text, 'equal'::text, 'personal'::text]))),
    CONSTRAINT packets_packet_id_check CHECK ((packet_id > '9007199254740991'::bigint)),
    CONSTRAINT packets_refunded_fen_check CHECK ((refunded_fen >= 0)),
    CONSTRAINT packets_seed_check CHECK ((length(seed) = 32)),
    CONSTRAINT packets_share_fen_min_check CHECK ((share_fen_min > 0)),
    CONSTRAINT packets_shares_check CHECK ((shares > 0)),
    CONSTRAINT packets_total_fen_check CHECK ((total_fen > 0))
)
WITH (fillfactor='60');


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
-- Name: settlement_queue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.settlement_queue (
    packet_id bigint NOT NULL,
    user_id bigint NOT NULL,
    amount_fen bigint NOT NULL,
    queued_at_ms bigint NOT NULL,
    CONSTRAINT settlement_queue_amount_fen_check CHECK ((amount_fen > 0))
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
    CONSTRAINT transfers_amount_fen_check CHECK ((amount_fen > 0)),
    CONSTRAINT transfers_check CHECK (
CASE kind
    WHEN 1 THEN ((debit_account = 0) AND ((credit_account >= 1) AND (credit_account <= '9007199254740991'::bigint)) AND (key <> ''::text))
    WHEN 2 THEN ((credit_account = 0) AND ((debit_account >= 1) AND (debit_account <= '9007199254740991'::bigint)) AND (key <> ''::text))
    WHEN 3 THEN (((debit_account >= 1) AND (debit_account <= '9007199254740991'::bigint)) AND (credit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 4 THEN (((credit_account >= 1) AND (credit_account <= '9007199254740991'::bigint)) AND (debit_account > '9007199254740991'::bigint) AND (key = ''::text))
    WHEN 5 THEN (((credit_account >= 1) AND (credit_account <= '9007199254740991'::bigint)) AND (debit_account > '9007199254740991'::bigint) AND (key = ''::text))
    ELSE false
END)
);


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    user_id bigint NOT NULL,
    name text NOT NULL,
    CONSTRAINT users_name_check CHECK ((name <> ''::text)),
    CONSTRAINT users_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint)))
);


--
-- Name: wallets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.wallets (
    user_id bigint NOT NULL,
    balance_fen bigint NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT wallets_balance_fen_check CHECK ((balance_fen >= 0)),
    CONSTRAINT wallets_user_id_check CHECK (((user_id >= 1) AND (user_id <= '9007199254740991'::bigint))),
    CONSTRAINT wallets_version_check CHECK ((version > 0))
)
WITH (fillfactor='50');


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
-- Data for Name: best_lucks; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.best_lucks VALUES (130338835660800001, 3);


--
-- Data for Name: claims; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.claims VALUES (130338835660800001, 0, 2, 221, 1766764800007);
INSERT INTO public.claims VALUES (130338835660800001, 1, 3, 466, 1766764800014);
INSERT INTO public.claims VALUES (130338835660800001, 2, 4, 313, 1766764800021);
INSERT INTO public.claims VALUES (130338835748880384, 0, 5, 100, 1766764800028);
INSERT INTO public.claims VALUES (130338835748880384, 1, 6, 100, 1766764800035);
INSERT INTO public.claims VALUES (130338835807600640, 0, 3, 300, 1766764800042);
INSERT INTO public.claims VALUES (130338835836960768, 0, 2, 206, 1766764800049);
INSERT INTO public.claims VALUES (132150523330560000, 0, 2, 217, 1767196740007);
INSERT INTO public.claims VALUES (132150523330560000, 1, 3, 210, 1767196740014);
INSERT INTO public.claims VALUES (132180973977600001, 0, 2, 709, 1767204000007);
INSERT INTO public.claims VALUES (132180973977600001, 1, 3, 617, 1767204000014);
INSERT INTO public.claims VALUES (132180974036320256, 0, 4, 50, 1767204000021);
INSERT INTO public.claims VALUES (132180978259984384, 0, 5, 46, 1767204001028);
INSERT INTO public.claims VALUES (132180978259984384, 1, 6, 403, 1767204001035);
INSERT INTO public.claims VALUES (132180978259984384, 2, 7, 151, 1767204001042);
INSERT INTO public.claims VALUES (132180978348064768, 0, 5, 205, 1767204001049);
INSERT INTO public.claims VALUES (132180978348064768, 1, 2, 454, 1767204001056);
INSERT INTO public.claims VALUES (132180982601089024, 0, 2, 134, 1767204002063);


--
-- Data for Name: groups; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.groups VALUES (130338835660800000, 'family', 1, 1766764800000);


--
-- Data for Name: memberships; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.memberships VALUES (130338835660800000, 1, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 2, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 3, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 4, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 5, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 6, 1766764800000, NULL, NULL);
INSERT INTO public.memberships VALUES (130338835660800000, 7, 1766764800000, NULL, NULL);


--
-- Data for Name: messages; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.messages VALUES (130338835660800000, 1, 1, 1766764800000, NULL, 130338835660800001);
INSERT INTO public.messages VALUES (130338835660800000, 2, 2, 1766764800021, NULL, 130338835748880384);
INSERT INTO public.messages VALUES (3, 1, 1, 1766764800035, NULL, 130338835807600640);
INSERT INTO public.messages VALUES (1, 1, 1, 1766764800035, NULL, 130338835807600640);
INSERT INTO public.messages VALUES (130338835660800000, 3, 3, 1766764800042, NULL, 130338835836960768);
INSERT INTO public.messages VALUES (130338835660800000, 4, 4, 1767196740000, NULL, 132150523330560000);
INSERT INTO public.messages VALUES (130338835660800000, 5, 1, 1767204000000, NULL, 132180973977600000);
INSERT INTO public.messages VALUES (130338835660800000, 6, 5, 1767204000000, NULL, 132180973977600001);
INSERT INTO public.messages VALUES (130338835660800000, 7, 6, 1767204000014, NULL, 132180974036320256);
INSERT INTO public.messages VALUES (7, 1, 1, 1767204000021, NULL, 132180974065680384);
INSERT INTO public.messages VALUES (1, 2, 1, 1767204000021, NULL, 132180974065680384);
INSERT INTO public.messages VALUES (130338835660800000, 8, 1, 1767204001021, NULL, 132180978259984384);
INSERT INTO public.messages VALUES (130338835660800000, 9, 7, 1767204001042, NULL, 132180978348064768);
INSERT INTO public.messages VALUES (130338835660800000, 10, 1, 1767204002056, NULL, 132180982601089024);


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.migrations VALUES (1, '0001_books', '998c89a868b86d1b8492be822fdfcf42721acbc8b686a71efcd97b8a2e049f0a', '2026-11-28 04:07:20.22411+00');
INSERT INTO public.migrations VALUES (2, '0002_records', '9c08c64ccb51cd04342b81812d796012dd805184a26131d7ae06d3cf84fec1dc', '2026-11-28 04:07:20.22411+00');
INSERT INTO public.migrations VALUES (3, '0003_people', 'd85cfdab96fd554382e30fdf5e843a8bf8dc87a70cd7635540824b5e939f9368', '2026-11-28 04:07:20.22411+00');
INSERT INTO public.migrations VALUES (4, '0004_balances', '4d45b668b90857a4019b8f228f80838b54844644edd17e764acb3052bca8b7f8', '2026-11-28 04:07:20.22411+00');


--
-- Data for Name: packet_groups; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: packets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.packets VALUES (132180978259984384, 1, 'key of waiting', 'lucky', 130338835660800000, 600, 3, 1, 20000, 'waiting', '\x714db838a8760ba3d5618ce6f22781fd26de61bfd3a8d9506662c81dc3892b78', 1767204001021, 1767290401021, 3, 600, 0, 1767204001042);
INSERT INTO public.packets VALUES (130338835660800001, 1, 'key of finished', 'lucky', 130338835660800000, 1000, 3, 1, 20000, 'finished', '\xca509b800c8ba60bec2d835cbe81fa1c5067e6c0fa521dbf82e71eaf59764a69', 1766764800000, 1766851200000, 3, 1000, 0, 1766764800021);
INSERT INTO public.packets VALUES (130338835748880384, 2, 'key of equal finished', 'equal', 130338835660800000, 200, 2, 1, 20000, 'equal finished', '\x831900d5bd56b639d16dcd29cec81385efbe347fab9e0046858aa84ed1755fa7', 1766764800021, 1766851200021, 2, 200, 0, 1766764800035);
INSERT INTO public.packets VALUES (130338835807600640, 1, 'key of personal finished', 'personal', 3, 300, 1, 1, 20000, 'personal finished', '\x3411f56d93b5cc8ba360971969582bd7ba1612834543013f4474d1c889e2f3f4', 1766764800035, 1766851200035, 1, 300, 0, 1766764800042);
INSERT INTO public.packets VALUES (130338835836960768, 3, 'key of refunded', 'lucky', 130338835660800000, 900, 4, 1, 20000, 'refunded', '\x21324ed326b454d2b755feda8fa7dc7f6dd6e30764b214c870bdec1b7cca88f4', 1766764800042, 1766851200042, 1, 206, 694, 1766851200049);
INSERT INTO public.packets VALUES (132180978348064768, 7, 'key of half waiting', 'lucky', 130338835660800000, 666, 3, 1, 20000, 'half waiting', '\xdebda35384de090b0c7f402c7367df2112fb1f5a82b0c991757c25889be3bd19', 1767204001042, 1767290401042, 2, 659, 0, NULL);
INSERT INTO public.packets VALUES (132150523330560000, 4, 'key of expires', 'lucky', 130338835660800000, 800, 4, 1, 20000, 'expires', '\xa66d50eff985563ec76f094862af880ebcbb2d6b835bf6b7365357504448ef4b', 1767196740000, 1767283140000, 2, 427, 0, NULL);
INSERT INTO public.packets VALUES (132180973977600000, 1, 'key of open', 'lucky', 130338835660800000, 1200, 4, 1, 20000, 'open', '\x69a11ff4bf600594a39f8c1f4d88cb027559cb63466014b9e785ad498bb29da4', 1767204000000, 1767290400000, 0, 0, 0, NULL);
INSERT INTO public.packets VALUES (132180973977600001, 5, 'key of half', 'lucky', 130338835660800000, 2000, 5, 1, 20000, 'half', '\xb5c3a45213b38730652b99e16080ebf30990099cbd831c8711d9aa41729221ef', 1767204000000, 1767290400000, 2, 1326, 0, NULL);
INSERT INTO public.packets VALUES (132180974036320256, 6, 'key of equal half', 'equal', 130338835660800000, 150, 3, 1, 20000, 'equal half', '\xe65c756a6ca676835a1ea271289c4a4ddd1d45f10ac7b037fd0a8d4c0a256b3c', 1767204000014, 1767290400014, 1, 50, 0, NULL);
INSERT INTO public.packets VALUES (132180974065680384, 1, 'key of personal open', 'personal', 7, 777, 1, 1, 20000, 'personal open', '\xdd24e6e747ede92eacea1a016ae23515f590f0df191f60376ba9357b29e504e3', 1767204000021, 1767290400021, 0, 0, 0, NULL);
INSERT INTO public.packets VALUES (132180982601089024, 1, 'key of mirror', 'lucky', 130338835660800000, 1500, 5, 1, 20000, 'mirror', '\x0af6cf3a9569e15771269b5871d89373a7e661d35486f183b306793c23b35cdf', 1767204002056, 1767290402056, 1, 134, 0, NULL);


--
-- Data for Name: reactions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.reactions VALUES (130338835660800000, 3, 2, 0, 1, '{14,14}');
INSERT INTO public.reactions VALUES (130338835660800000, 1, 0, 0, 3, '{}');
INSERT INTO public.reactions VALUES (130338835660800000, 2, 4, 3, 1, '{7,7,7,14}');
INSERT INTO public.reactions VALUES (130338835660800000, 4, 2, 1, 0, '{21,7}');
INSERT INTO public.reactions VALUES (130338835660800000, 5, 3, 3, 1, '{7,7,7}');
INSERT INTO public.reactions VALUES (130338835660800000, 6, 2, 0, 1, '{14,14}');
INSERT INTO public.reactions VALUES (130338835660800000, 7, 1, 0, 1, '{21}');


--
-- Data for Name: received; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.received VALUES (2, 1766764800007, 130338835660800001);
INSERT INTO public.received VALUES (3, 1766764800014, 130338835660800001);
INSERT INTO public.received VALUES (4, 1766764800021, 130338835660800001);
INSERT INTO public.received VALUES (5, 1766764800028, 130338835748880384);
INSERT INTO public.received VALUES (6, 1766764800035, 130338835748880384);
INSERT INTO public.received VALUES (3, 1766764800042, 130338835807600640);
INSERT INTO public.received VALUES (2, 1766764800049, 130338835836960768);
INSERT INTO public.received VALUES (2, 1767196740007, 132150523330560000);
INSERT INTO public.received VALUES (3, 1767196740014, 132150523330560000);
INSERT INTO public.received VALUES (2, 1767204000007, 132180973977600001);
INSERT INTO public.received VALUES (3, 1767204000014, 132180973977600001);
INSERT INTO public.received VALUES (4, 1767204000021, 132180974036320256);


--
-- Data for Name: settlement_queue; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.settlement_queue VALUES (132180978259984384, 5, 46, 1767204001028);
INSERT INTO public.settlement_queue VALUES (132180978259984384, 6, 403, 1767204001035);
INSERT INTO public.settlement_queue VALUES (132180978259984384, 7, 151, 1767204001042);
INSERT INTO public.settlement_queue VALUES (132180978348064768, 5, 205, 1767204001049);
INSERT INTO public.settlement_queue VALUES (132180978348064768, 2, 454, 1767204001056);
INSERT INTO public.settlement_queue VALUES (132180982601089024, 2, 134, 1767204002063);


--
-- Data for Name: streams; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.streams VALUES (3, 1);
INSERT INTO public.streams VALUES (1, 2);
INSERT INTO public.streams VALUES (7, 1);
INSERT INTO public.streams VALUES (130338835660800000, 10);


--
-- Data for Name: transfers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.transfers VALUES (0, 1, 1, 'first of 1', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 2, 1, 'first of 2', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 3, 1, 'first of 3', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 4, 1, 'first of 4', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 5, 1, 'first of 5', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 6, 1, 'first of 6', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 7, 1, 'first of 7', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (0, 8, 1, 'first of 8', 100000, 1766764800000);
INSERT INTO public.transfers VALUES (2, 0, 2, 'rent', 500, 1766764800000);
INSERT INTO public.transfers VALUES (1, 130338835660800001, 3, '', 1000, 1766764800000);
INSERT INTO public.transfers VALUES (130338835660800001, 2, 4, '', 221, 1766764800007);
INSERT INTO public.transfers VALUES (130338835660800001, 3, 4, '', 466, 1766764800021);
INSERT INTO public.transfers VALUES (130338835660800001, 4, 4, '', 313, 1766764800021);
INSERT INTO public.transfers VALUES (2, 130338835748880384, 3, '', 200, 1766764800021);
INSERT INTO public.transfers VALUES (130338835748880384, 5, 4, '', 100, 1766764800028);
INSERT INTO public.transfers VALUES (130338835748880384, 6, 4, '', 100, 1766764800035);
INSERT INTO public.transfers VALUES (1, 130338835807600640, 3, '', 300, 1766764800035);
INSERT INTO public.transfers VALUES (130338835807600640, 3, 4, '', 300, 1766764800042);
INSERT INTO public.transfers VALUES (3, 130338835836960768, 3, '', 900, 1766764800042);
INSERT INTO public.transfers VALUES (130338835836960768, 2, 4, '', 206, 1766764800049);
INSERT INTO public.transfers VALUES (130338835836960768, 3, 5, '', 694, 1766851200049);
INSERT INTO public.transfers VALUES (4, 132150523330560000, 3, '', 800, 1767196740000);
INSERT INTO public.transfers VALUES (132150523330560000, 2, 4, '', 217, 1767196740014);
INSERT INTO public.transfers VALUES (132150523330560000, 3, 4, '', 210, 1767196740014);
INSERT INTO public.transfers VALUES (1, 132180973977600000, 3, '', 1200, 1767204000000);
INSERT INTO public.transfers VALUES (5, 132180973977600001, 3, '', 2000, 1767204000000);
INSERT INTO public.transfers VALUES (132180973977600001, 2, 4, '', 709, 1767204000007);
INSERT INTO public.transfers VALUES (6, 132180974036320256, 3, '', 150, 1767204000014);
INSERT INTO public.transfers VALUES (132180973977600001, 3, 4, '', 617, 1767204000014);
INSERT INTO public.transfers VALUES (132180974036320256, 4, 4, '', 50, 1767204000021);
INSERT INTO public.transfers VALUES (1, 132180974065680384, 3, '', 777, 1767204000021);
INSERT INTO public.transfers VALUES (1, 132180978259984384, 3, '', 600, 1767204001021);
INSERT INTO public.transfers VALUES (7, 132180978348064768, 3, '', 666, 1767204001042);
INSERT INTO public.transfers VALUES (1, 132180982601089024, 3, '', 1500, 1767204002056);


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: wallets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.wallets VALUES (8, 100000, 1);
INSERT INTO public.wallets VALUES (5, 98100, 3);
INSERT INTO public.wallets VALUES (2, 100653, 7);
INSERT INTO public.wallets VALUES (6, 99950, 3);
INSERT INTO public.wallets VALUES (3, 101387, 7);
INSERT INTO public.wallets VALUES (4, 99563, 4);
INSERT INTO public.wallets VALUES (7, 99334, 2);
INSERT INTO public.wallets VALUES (1, 94623, 7);


--
-- Data for Name: years; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.years VALUES (5, 2025, 0, 0, 1, 100, 0);
INSERT INTO public.years VALUES (6, 2025, 0, 0, 1, 100, 0);
INSERT INTO public.years VALUES (1, 2025, 2, 1300, 0, 0, 0);
INSERT INTO public.years VALUES (4, 2025, 1, 800, 1, 313, 0);
INSERT INTO public.years VALUES (2, 2025, 1, 200, 3, 644, 0);
INSERT INTO public.years VALUES (3, 2025, 1, 900, 3, 976, 1);
INSERT INTO public.years VALUES (5, 2026, 1, 2000, 0, 0, 0);
INSERT INTO public.years VALUES (2, 2026, 0, 0, 1, 709, 0);
INSERT INTO public.years VALUES (3, 2026, 0, 0, 1, 617, 0);
INSERT INTO public.years VALUES (6, 2026, 1, 150, 0, 0, 0);
INSERT INTO public.years VALUES (4, 2026, 0, 0, 1, 50, 0);
INSERT INTO public.years VALUES (7, 2026, 1, 666, 0, 0, 0);
INSERT INTO public.years VALUES (1, 2026, 4, 4077, 0, 0, 0);


--
-- Name: best_lucks best_lucks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.best_lucks
    ADD CONSTRAINT best_lucks_pkey PRIMARY KEY (packet_id);


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
-- Name: groups groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (group_id);


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
-- Name: wallets wallets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT wallets_pkey PRIMARY KEY (user_id);


--
-- Name: years years_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.years
    ADD CONSTRAINT years_pkey PRIMARY KEY (user_id, year);


--
-- Name: memberships_of_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX memberships_of_user ON public.memberships USING btree (user_id) WHERE (left_at_ms IS NULL);


--
-- Name: packets_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX packets_open ON public.packets USING btree (expires_at_ms) WHERE (closed_at_ms IS NULL);


--
-- Name: packets_sent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX packets_sent ON public.packets USING btree (sender_id, created_at_ms DESC, packet_id DESC);


--
-- Name: settlement_queue_largest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX settlement_queue_largest ON public.settlement_queue USING btree (amount_fen DESC);


--
-- Name: claims claims_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER claims_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.claims FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: transfers transfers_stay; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER transfers_stay BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transfers FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


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
-- PostgreSQL database dump complete
--


