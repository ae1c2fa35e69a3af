"""Every key of the config as a table: what it means, what it must be, and what HUP does about it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from server.core.ids import NODE_BITS

KEY_BYTES_MIN: Final = 16
FEN_MAX: Final = 10**12
BYTES_MAX: Final = 1 << 30
SECONDS_MAX: Final = 10 * 366 * 86_400
HOST: Final = re.compile(r"(\[[^][]*\]|[^][:]*)(:[0-9]{1,5})?")


class Rule(NamedTuple):
    """What a value must be: for the eye, and as a test of a value that has the right type."""

    must: str
    holds: Callable[[Any], bool]


class ConfigKey(NamedTuple):
    """One row of KEYS."""

    meaning: str  # with its unit; stands as the comment in the default config
    rule: Rule
    reload: str = ""  # what HUP does about it while the server runs; empty: nothing, it needs a restart
    mask: Callable[[Any], Any] | None = None  # of a secret: what may be shown of it

    @property
    def comment(self) -> str:
        """All that there is to say about it on one line."""
        return f"{self.meaning} [{self.reload}]" if self.reload else self.meaning


def whole(least: int, most: int) -> Rule:
    """A whole number of this range."""
    return Rule(f"a whole number from {least:,} to {most:,}", lambda value: least <= value <= most)


def number(least: float, most: float) -> Rule:
    """A number of this range; neither infinite nor undefined."""
    return Rule(
        f"a number from {least:,} to {most:,}", lambda value: math.isfinite(value) and least <= value <= most
    )


def one_of(*texts: str) -> Rule:
    """One of these texts."""
    return Rule("one of " + ", ".join(f'"{text}"' for text in texts), lambda value: value in texts)


def matching(pattern: str, must: str) -> Rule:
    """A text of this form."""
    return Rule(must, lambda value: re.fullmatch(pattern, value) is not None)


def url(*schemes: str) -> Rule:
    """An address of one of these schemes, or nothing."""
    *first, last = (f"{scheme}://…" for scheme in schemes)
    shown = " or ".join([", ".join(first), last])
    return Rule(
        f"empty or a URL {shown}, with / # ? and @ in its password as %2F %23 %3F and %40",
        lambda text: not text or (text.partition("://")[0] in schemes and _holds_together(text)),
    )


def _holds_together(text: str) -> bool:
    """Whether its parts are where they seem to be: one of / # ? @ in a password moves them."""
    try:
        parts = urlsplit(text)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    who, _, hosts = parts.netloc.rpartition("@")
    strays = "@" in who or "#" in text or ("@" in parts.path and parts.scheme != "unix")
    return text.isprintable() and not strays and all(HOST.fullmatch(host) for host in hosts.split(","))


def hide_password(address: str) -> str:
    """An address without its password: between name and host, or as a parameter, in whatever letters."""
    without = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", address)
    return re.sub(r"([?&])([^=&]*)=[^&]*", _without_password, without)


def _without_password(parameter: re.Match[str]) -> str:
    mark, name = parameter.groups()
    return f"{mark}{name}=***" if unquote(name).lower().endswith("password") else parameter[0]


def hide_keys(keys: dict[str, str]) -> dict[str, str]:
    """Which keys there are, but not what they are."""
    return dict.fromkeys(keys, "***")


SECONDS: Final = number(0.001, SECONDS_MAX)
SIZE: Final = whole(1, BYTES_MAX)
AMOUNT: Final = whole(1, FEN_MAX)
COUNT: Final = whole(1, 1_000_000)

TOKEN_KEYS: Final = Rule(
    f"a table of key id (up to 32 letters, digits, - and _) = hex text of {KEY_BYTES_MIN} bytes or more",
    lambda keys: all(
        re.fullmatch(r"[\w-]{1,32}", key_id, re.ASCII)
        and re.fullmatch(rf"([0-9a-fA-F]{{2}}){{{KEY_BYTES_MIN},}}", text)
        for key_id, text in keys.items()
    ),
)

PATH: Final = matching(r"[^\0]*", "a path, or empty")

ADDRESS: Final = (
    r"(\[[0-9a-fA-F:]+\]|[\w.-]+):([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
LOOPBACK: Final = r"(127\.[\d.]+|localhost|\[::1\])" + ADDRESS.partition(")")[2]

HUP: Final = "HUP"
FOR_PACKETS: Final = "HUP, new packets"
FOR_CONNECTIONS: Final = "HUP, new connections"
TLS: Final = "HUP reads it again; TLS on or off needs a restart"

KEYS: Final = {
    "server.host": ConfigKey("address to listen on", matching(r"\S+", "a host name or an address")),
    "server.port": ConfigKey("TCP port; 0 takes a free one", whole(0, 65_535)),
    "server.node": ConfigKey(
        "number of this process in the ids it makes; no two may share it", whole(0, 2**NODE_BITS - 1)
    ),
    "server.tls_certificate": ConfigKey("certificate chain, a PEM file; empty: no TLS", PATH, TLS),
    "server.tls_key": ConfigKey("its private key, a PEM file", PATH, TLS),
    "stores.postgres": ConfigKey(
        "postgresql://…; empty starts a private one",
        url("postgresql", "postgres"),
        mask=hide_password,
    ),
    "stores.redis": ConfigKey(
        "redis://… or unix://… (Valkey too); empty starts a private one",
        url("redis", "rediss", "unix"),
        mask=hide_password,
    ),
    "stores.durability": ConfigKey("`won` is said when this store has it on disk", one_of("postgres", "redis")),
    "stores.postgres_pool_max": ConfigKey("connections to PostgreSQL", whole(1, 1_000)),
    "limits.share_fen_min": ConfigKey("smallest share, in fen", AMOUNT, FOR_PACKETS),
    "limits.share_fen_max": ConfigKey(
        "largest share, in fen", whole(1, 2**32 - 1), FOR_PACKETS
    ),  # 4 bytes in the mirror
    "limits.total_fen_max": ConfigKey("largest packet, in fen", AMOUNT, HUP),
    # The counter word of a packet has 16 bits for claims and 24 for tickets.
    "limits.shares_max": ConfigKey("shares of a packet", whole(1, 65_535), HUP),
    "limits.group_members_max": ConfigKey("members of a group", COUNT, HUP),
    "limits.groups_of_user_max": ConfigKey("groups that one user is in", COUNT, HUP),
    "limits.groups_of_packet_max": ConfigKey("groups that one packet is sent to, the first one too", COUNT, HUP),
    "limits.greeting_bytes_max": ConfigKey("greeting on a packet, bytes of UTF-8", SIZE, HUP),
    "limits.text_bytes_max": ConfigKey("chat message, bytes of UTF-8", SIZE, HUP),
    "limits.name_bytes_max": ConfigKey("name of a group or a user, bytes of UTF-8", SIZE, HUP),
    "limits.key_bytes_max": ConfigKey("idempotency key of a request, bytes", SIZE, HUP),
    "limits.packet_lifetime_s": ConfigKey("a packet expires after, seconds", SECONDS, FOR_PACKETS),
    "limits.ticket_lifetime_s": ConfigKey("a grab entitles to open for, seconds", SECONDS, HUP),
    "limits.tickets_per_share": ConfigKey("grabs that are let in per unopened share", whole(1, 255), HUP),
    "limits.frame_bytes_before_login_max": ConfigKey(
        "frame from a client that has not logged in, bytes", SIZE, FOR_CONNECTIONS
    ),
    "limits.frame_bytes_max": ConfigKey("frame from a client, bytes", SIZE, FOR_CONNECTIONS),
    "limits.login_timeout_s": ConfigKey("a connection has to log in within, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.ping_interval_s": ConfigKey("a ping goes out every, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.pong_timeout_s": ConfigKey("its answer has to come within, seconds", SECONDS, FOR_CONNECTIONS),
    "limits.requests_per_s": ConfigKey(
        "requests of a user per second, in the long run", number(0.001, 1_000_000), HUP
    ),
    "limits.requests_burst": ConfigKey("requests of a user at once", number(1, 1_000_000), HUP),
    "limits.connections_max": ConfigKey("clients of this process", COUNT, HUP),
    "limits.connections_of_user_max": ConfigKey(
        "connections of one user; the chat backend may have more", COUNT, HUP
    ),
    "limits.watched_packets_max": ConfigKey("result pages that one connection follows", whole(1, 1_000), HUP),
    "limits.connections_of_address_max": ConfigKey(
        "connections of one address; raise it behind a proxy", COUNT, HUP
    ),
    "limits.failed_logins_of_address_per_s": ConfigKey(
        "failed logins of one address per second, in the long run", number(0.001, 1_000_000), HUP
    ),
    "limits.failed_logins_of_address_burst": ConfigKey(
        "failed logins of one address at once", number(1, 1_000_000), HUP
    ),
    "limits.outgoing_bytes_max": ConfigKey("unread by a client, bytes; a slower one is cut", SIZE, HUP),
    "limits.wait_ms_max": ConfigKey(
        "who would wait longer for a store is refused, milliseconds; half of it for new work",
        number(1, 600_000),
        HUP,
    ),
    "limits.catch_up_messages": ConfigKey("missed messages handed out at once", COUNT, HUP),
    "limits.reload_after_messages": ConfigKey("who missed more of a stream has to reload it", COUNT, HUP),
    "auth.keys": ConfigKey(
        "key id = hex; the last one mints; none: made once, kept in keys.toml", TOKEN_KEYS, HUP, hide_keys
    ),
    "auth.token_lifetime_s": ConfigKey("a login token is good for, seconds", SECONDS, HUP),
    "settlement.batch_max": ConfigKey("claims credited in one transaction", whole(1, 100_000)),
    "settlement.idle_s": ConfigKey("an empty queue is looked at again after, seconds", SECONDS),
    "refunds.interval_s": ConfigKey("expired packets are looked for every, seconds", SECONDS),
    "refunds.batch_max": ConfigKey("packets refunded in one sweep", whole(1, 100_000)),
    "log.level": ConfigKey("what is written", one_of("debug", "info", "warning", "error"), HUP),
    "log.format": ConfigKey("auto: text to a terminal, JSON to anything else", one_of("auto", "json", "text"), HUP),
    "ops.socket": ConfigKey("the status socket, a path; empty: DATA/status.sock", PATH),
    "ops.socket_mode": ConfigKey(
        "who may connect to it and read, as chmod says it", matching(r"0?[0-7]{3}", 'octal digits such as "0600"')
    ),
    "ops.change_uids": ConfigKey(
        "users (uid) who may change things, besides root and the server's own",
        Rule("a list of user ids", lambda uids: all(0 <= uid < 2**32 for uid in uids)),
    ),
    "ops.tcp": ConfigKey(
        "the status socket as TCP too, for reads alone, on loopback; empty: not",
        matching(rf"({LOOPBACK})?", 'empty or an address of this machine such as "127.0.0.1:7790"'),
    ),
    "ops.http": ConfigKey(
        "/livez, /readyz, /metrics, and / for people; empty or a port that is taken: none",
        matching(rf"({ADDRESS})?", 'empty or an address such as "127.0.0.1:7789"'),
    ),
    "ops.http_names": ConfigKey(
        "names of this server for browsers and Prometheus, besides localhost and addresses",
        Rule("a list of host names", lambda names: all(re.fullmatch(r"[\w.-]+", name) for name in names)),
    ),
    "ops.ready_backlog_s": ConfigKey(
        "a claim that waits longer for its credit makes the server not ready, seconds", SECONDS
    ),
}

# The first of each pair must not exceed the second.
ORDER: Final = (
    ("limits.share_fen_min", "limits.share_fen_max"),
    ("limits.share_fen_max", "limits.total_fen_max"),
    ("limits.pong_timeout_s", "limits.ping_interval_s"),
    ("limits.requests_per_s", "limits.requests_burst"),
    ("limits.failed_logins_of_address_per_s", "limits.failed_logins_of_address_burst"),
    ("limits.frame_bytes_before_login_max", "limits.frame_bytes_max"),
    ("limits.greeting_bytes_max", "limits.frame_bytes_max"),
    ("limits.text_bytes_max", "limits.frame_bytes_max"),
    ("limits.name_bytes_max", "limits.frame_bytes_max"),
    ("limits.key_bytes_max", "limits.frame_bytes_max"),
    ("limits.frame_bytes_max", "limits.outgoing_bytes_max"),
    ("limits.catch_up_messages", "limits.reload_after_messages"),
)

TLS_FILES: Final = ("server.tls_certificate", "server.tls_key")

# Both of each pair are said, or neither.
TOGETHER: Final = (TLS_FILES,)
