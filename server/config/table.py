"""Every key of the config as a table: its meaning, the rule for its value, and the effect of a reload (SIGHUP)."""

from __future__ import annotations

import re
from typing import Final

from server.config.address_keys import ADDRESS_KEYS, WEB_KEYS
from server.config.config_key import FOR_CONNECTIONS, HUP, ConfigKey
from server.config.enterprise_keys import ENTERPRISE_KEYS
from server.config.gateway_keys import GATEWAY_KEYS
from server.config.masking import hide_keys, hide_password, hide_passwords
from server.config.nats_keys import NATS_KEYS
from server.config.risk_keys import RISK_KEYS
from server.config.rules import (
    ADDRESS,
    AMOUNT,
    BOOLEAN,
    BUDGET,
    COUNT,
    DATE,
    LOOPBACK,
    NETWORKS,
    PATH,
    SECONDS,
    SHARES_MAX,
    SIZE,
    TOKEN_KEYS,
    Rule,
    matching,
    number,
    one_of,
    shown_words,
    url,
    urls,
    whole,
)
from server.core.fission.links import DEPTH_MAX
from server.core.ids import SETS_MAX

REDIS: Final = ("redis", "rediss")  # without and with TLS
FOR_PACKETS: Final = "HUP, new packets"
FOR_LINKS: Final = "HUP, new links"

KEYS: Final = {
    **ADDRESS_KEYS,
    "stores.postgres": ConfigKey(
        "postgresql://…; empty: start a private PostgreSQL",
        url("postgresql", "postgres"),
        mask=hide_password,
    ),
    "stores.postgres_sets": ConfigKey(
        "further databases: set 1, set 2, …; each stays at its place (see docs/operations.md)",
        urls("postgresql", "postgres", most=SETS_MAX - 1),
        mask=hide_passwords,
    ),
    "stores.postgres_new_users": ConfigKey(
        "numbers of the sets that get new users; empty: all but set 0, if there are others",
        Rule(
            f"a list of numbers from 0 to {SETS_MAX - 1}", lambda value: all(0 <= one < SETS_MAX for one in value)
        ),
    ),
    "stores.redis": ConfigKey(
        "redis://… or unix://… (Redis or Valkey); redis+cluster://…,…; redis+sentinel://…,…/MASTER; TLS: rediss…; "
        "empty: start a private Valkey",
        url("redis", "rediss", "unix", *(f"{tls}+{form}" for form in ("cluster", "sentinel") for tls in REDIS)),
        mask=hide_password,
    ),
    "stores.durability": ConfigKey(
        "store that must have a claim on disk before `won` is sent", one_of("postgres", "redis")
    ),
    "stores.postgres_pool_max": ConfigKey("connections to PostgreSQL, at most", whole(1, 1_000)),
    "limits.share_fen_min": ConfigKey("smallest share, in the smallest unit of money", AMOUNT, FOR_PACKETS),
    "limits.share_fen_max": ConfigKey(
        "largest share, in the smallest unit of money", whole(1, 2**32 - 1), FOR_PACKETS
    ),  # 4 bytes in the mirror
    "limits.total_fen_max": ConfigKey("largest packet, in the smallest unit of money", AMOUNT, HUP),
    "limits.shares_max": ConfigKey("shares of a packet", whole(1, SHARES_MAX), HUP),
    "limits.group_members_max": ConfigKey("members of a group, joined by themselves", COUNT, HUP),
    "limits.synced_members_max": ConfigKey("members of a group, put there by the chat backend", COUNT, HUP),
    "limits.groups_of_user_max": ConfigKey("groups of one user", COUNT, HUP),
    "limits.groups_of_packet_max": ConfigKey("groups that one packet is sent to, the first included", COUNT, HUP),
    "limits.greeting_bytes_max": ConfigKey("greeting on a packet, bytes of UTF-8", SIZE, HUP),
    "limits.words_bytes_max": ConfigKey("words that open a password packet, bytes of UTF-8", SIZE, HUP),
    "limits.words_attempts_max": ConfigKey("words that one user may try at one packet", whole(1, 1_000), HUP),
    "limits.text_bytes_max": ConfigKey("chat message, bytes of UTF-8", SIZE, HUP),
    "limits.name_bytes_max": ConfigKey("name of a group or a user, bytes of UTF-8", SIZE, HUP),
    "limits.key_bytes_max": ConfigKey("idempotency key of a request, bytes", SIZE, HUP),
    "limits.packet_lifetime_s": ConfigKey("lifetime of a packet, seconds", SECONDS, FOR_PACKETS),
    "limits.pass_on_depth_max": ConfigKey("steps that a fission packet goes", whole(1, DEPTH_MAX), HUP),
    "limits.pass_on_lifetime_s": ConfigKey("lifetime of a link to a fission packet, seconds", SECONDS, FOR_LINKS),
    "limits.schedule_ahead_s": ConfigKey("how far ahead a packet may be scheduled, seconds", SECONDS, HUP),
    "limits.ticket_lifetime_s": ConfigKey("lifetime of a ticket (from grab to open), seconds", SECONDS, HUP),
    "limits.ticket_grace_s": ConfigKey(
        "age from which a waiting user may take an unopened ticket, seconds; at most half of its lifetime",
        SECONDS,
        HUP,
    ),
    # The counter word of a packet has 24 bits for tickets: 255 for each of 65,535 shares.
    "limits.tickets_per_share": ConfigKey("tickets in use per unopened share", whole(1, 255), HUP),
    "limits.frame_bytes_before_login_max": ConfigKey(
        "frame from a client that has not logged in, bytes", SIZE, FOR_CONNECTIONS
    ),
    "limits.frame_bytes_max": ConfigKey("frame from a client, bytes", SIZE, FOR_CONNECTIONS),
    "limits.backend_frame_bytes_max": ConfigKey("frame from the chat backend, bytes", SIZE, FOR_CONNECTIONS),
    "limits.login_timeout_s": ConfigKey("time for a new connection to log in, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.ping_interval_s": ConfigKey("time between two pings, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.pong_timeout_s": ConfigKey("time for the answer to a ping, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.requests_per_s": ConfigKey(
        "requests of a user per second: rate of the token bucket", number(0.001, 1_000_000), HUP
    ),
    "limits.requests_burst": ConfigKey(
        "requests of a user at once: size of the token bucket", number(1, 1_000_000), HUP
    ),
    # The last reply may exceed what the bucket holds: reads are refused until the debt is paid.
    "limits.read_bytes_per_s": ConfigKey("bytes read to a user per second: rate of the token bucket", BUDGET, HUP),
    "limits.read_bytes_burst": ConfigKey("bytes read to a user at once: size of the token bucket", BUDGET, HUP),
    "limits.read_rows_per_s": ConfigKey(
        "messages, members and lines read to a user per second: rate of the token bucket", BUDGET, HUP
    ),
    "limits.read_rows_burst": ConfigKey("the same at once: size of the token bucket", BUDGET, HUP),
    "limits.history_bytes_max": ConfigKey("recent messages of groups kept in memory, bytes, about", SIZE, HUP),
    "limits.connections_max": ConfigKey(
        "connections of each worker; fewer if its limit of open files has no room (see hongbao status)",
        COUNT,
        HUP,
    ),
    "limits.connections_of_user_max": ConfigKey(
        "connections of one user; the chat backend may have more", COUNT, HUP
    ),
    "limits.watched_packets_max": ConfigKey("result pages that one connection subscribes to", whole(1, 1_000), HUP),
    "limits.connections_of_address_max": ConfigKey(
        "connections of one address; raise it behind a proxy", COUNT, HUP
    ),
    "limits.failed_logins_of_address_per_s": ConfigKey(
        "failed logins of one address per second: rate of the token bucket", number(0.001, 1_000_000), HUP
    ),
    "limits.failed_logins_of_address_burst": ConfigKey(
        "failed logins of one address at once: size of the token bucket", number(1, 1_000_000), HUP
    ),
    "limits.outgoing_bytes_max": ConfigKey(
        "bytes that a client has not read yet; above this the connection is closed", SIZE, HUP
    ),
    "limits.wait_ms_max": ConfigKey(
        "a request that would wait longer for a store is refused, milliseconds; new work at half of it",
        number(1, 600_000),
        HUP,
    ),
    "limits.catch_up_messages": ConfigKey("missed messages in one reply", COUNT, HUP),
    "limits.reload_after_messages": ConfigKey(
        "a client that missed more messages of a stream has to reload it", COUNT, HUP
    ),
    "chat.self_service": ConfigKey(
        "users make groups, join by invite, leave, open chats, choose names; false (recommended): your chat does",
        BOOLEAN,
    ),
    "chat.texts": ConfigKey("users say texts; false: your chat alone has texts, and moderates them", BOOLEAN),
    "money.unit": ConfigKey(
        "what amounts are shown in, Chinese/English or one name for both; change all three keys together",
        shown_words(16, least=1, names=2, must='a name of 1 to 16 letters, or two such as "积分/points"'),
    ),
    "money.symbol": ConfigKey(
        'put before an amount where the name of the unit is too long; "": the name is used',
        shown_words(4, least=0, names=1, must="empty, or up to 4 letters or currency signs"),
    ),
    "money.decimals": ConfigKey(
        "digits after the point; 2: 100 of the smallest unit (`fen` in names of limits and APIs) are one unit",
        whole(0, 4),
    ),
    "auth.keys": ConfigKey(
        "key id = hex; all verify, the last one signs; none: made once, kept in keys.toml",
        TOKEN_KEYS,
        HUP,
        hide_keys,
    ),
    "auth.token_lifetime_s": ConfigKey("lifetime of a login token, seconds", SECONDS, HUP),
    "auth.v1_tokens_until": ConfigKey(
        "the date (UTC) from which tokens without a time of issue are refused; empty: never", DATE, HUP
    ),
    "seeds.key_file": ConfigKey(
        "file with the keys that seal seeds; all unseal, the last one seals; empty: DATA/seed-keys.toml, made once",
        PATH,
        HUP,
    ),
    "settlement.batch_max": ConfigKey("claims credited in one transaction, at most", whole(1, 100_000)),
    "settlement.idle_s": ConfigKey("time between two looks at an empty queue, seconds", SECONDS),
    "refunds.interval_s": ConfigKey("time between two searches for expired packets, seconds", SECONDS),
    "refunds.batch_max": ConfigKey("packets refunded in one search, at most", whole(1, 100_000)),
    "campaigns.count_step": ConfigKey(
        "shares of a campaign between two numbers of shares left that are told; a tenth of it at the end", AMOUNT
    ),
    "campaigns.ask_every": ConfigKey("shakes after which a client asks how many shares are left", whole(1, 1_000)),
    "campaigns.on_overload": ConfigKey(
        "what shakes are answered with on overload: have a rest, or nothing won", one_of("rest", "nothing")
    ),
    "campaigns.rest_ms": ConfigKey("how long a user rests then, milliseconds", whole(1, 600_000)),
    "log.level": ConfigKey("lowest level that is written", one_of("debug", "info", "warning", "error"), HUP),
    "log.format": ConfigKey("auto: text to a terminal, else JSON", one_of("auto", "json", "text"), HUP),
    "ops.socket": ConfigKey("path of the status socket; empty: DATA/status.sock", PATH),
    "ops.socket_mode": ConfigKey(
        "mode of the status socket: users that may connect and read",
        matching(r"0?[0-7]{3}", 'octal digits such as "0600"'),
    ),
    "ops.change_uids": ConfigKey(
        "uids that may also change things, besides root and the server's own user",
        Rule("a list of user ids", lambda uids: all(0 <= uid < 2**32 for uid in uids)),
    ),
    "ops.tcp": ConfigKey(
        "read-only status socket on TCP, loopback only; empty: none",
        matching(rf"({LOOPBACK})?", 'empty or an address of this machine such as "127.0.0.1:7790"'),
    ),
    "ops.http": ConfigKey(
        "HTTP: /livez, /readyz, /metrics, and the dashboard at /; empty or a port in use: none",
        matching(rf"({ADDRESS})?", 'empty or an address such as "127.0.0.1:7789"'),
    ),
    "ops.http_names": ConfigKey(
        "host names that HTTP answers to, besides localhost and IP addresses",
        Rule("a list of host names", lambda names: all(re.fullmatch(r"[\w.-]+", name) for name in names)),
    ),
    "ops.ready_backlog_s": ConfigKey(
        "a claim that waits longer for its credit makes the server not ready, seconds", SECONDS
    ),
    "http_api.address": ConfigKey(
        "HTTP API of the chat backend, whose key the first start makes (hongbao key show --api); empty: none",
        matching(rf"({ADDRESS})?", 'empty or an address such as "127.0.0.1:7792"'),
    ),
    "http_api.behind_proxy": ConfigKey(
        "a proxy ends TLS before the HTTP API, which then speaks plain HTTP on any address", BOOLEAN
    ),
    "http_api.proxy_protocol": ConfigKey(
        "proxies whose connections begin with a PROXY header, version 2; needs behind_proxy, as TLS ends there",
        NETWORKS,
    ),
    "http_api.keys": ConfigKey(
        "key id = hex; all are accepted; none: those in DATA/http-keys.toml", TOKEN_KEYS, HUP, hide_keys
    ),
    "http_api.page_url": ConfigKey(
        "where WebViews reach pages of packets, such as a proxy that passes on /c/; empty: the API itself",
        matching(
            r"(https?://[\w.:\[\]-]+(/[\w.~/-]*)?(?<!/))?",
            'empty or an http or https url without query and final /, such as "https://packets.example.com"',
        ),
        HUP,
    ),
    "http_api.page_link_s": ConfigKey(
        "how long the link to a packet's page is valid, seconds", whole(10, 86_400), HUP
    ),
    **WEB_KEYS,
    "webhooks.allow_private": ConfigKey(
        "private networks that webhooks may go to, also without TLS; all others are refused", NETWORKS
    ),
    # More than the three days for which a delivery is tried.
    "webhooks.keep_days": ConfigKey("days for which events and their deliveries are kept", whole(4, 365)),
    **NATS_KEYS,
    **GATEWAY_KEYS,
    **ENTERPRISE_KEYS,
    **RISK_KEYS,
}

# The first of each pair must not exceed the second.
ORDER: Final = (
    ("limits.share_fen_min", "limits.share_fen_max"),
    ("limits.share_fen_max", "limits.total_fen_max"),
    ("enterprise.fen_min", "enterprise.fen_max"),
    ("enterprise.fen_max", "enterprise.scene_fen_max"),
    ("enterprise.event_fen_min", "enterprise.fen_max"),
    ("limits.pong_timeout_s", "limits.ping_interval_s"),
    ("limits.requests_per_s", "limits.requests_burst"),
    ("limits.read_bytes_per_s", "limits.read_bytes_burst"),
    ("limits.read_rows_per_s", "limits.read_rows_burst"),
    ("limits.failed_logins_of_address_per_s", "limits.failed_logins_of_address_burst"),
    ("limits.frame_bytes_before_login_max", "limits.frame_bytes_max"),
    ("limits.greeting_bytes_max", "limits.frame_bytes_max"),
    ("limits.text_bytes_max", "limits.frame_bytes_max"),
    ("limits.name_bytes_max", "limits.frame_bytes_max"),
    ("limits.key_bytes_max", "limits.frame_bytes_max"),
    ("limits.frame_bytes_max", "limits.outgoing_bytes_max"),
    ("limits.frame_bytes_max", "limits.backend_frame_bytes_max"),
    ("limits.catch_up_messages", "limits.reload_after_messages"),
)

TLS_FILES: Final = ("server.tls_certificate", "server.tls_key")

# Both of each pair are set, or neither.
TOGETHER: Final = (
    TLS_FILES,
    ("host_wallet.url", "host_wallet.keys"),
    *(("bank.url", key) for key in ("bank.merchant", "bank.keys", "bank.bank_keys")),
)

# All of them are set, or none: the default of another unit would be shown.
ALL_OR_NONE: Final = ("money.unit", "money.symbol", "money.decimals")
