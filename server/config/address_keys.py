"""The keys of the config for the addresses of the server, its processes, TLS, and the app for browsers."""

from __future__ import annotations

from typing import Final

from server.config.config_key import FOR_CONNECTIONS, ConfigKey
from server.config.office_keys import OFFICE_KEYS, OIDC_KEYS
from server.config.rules import ADDRESS, BOOLEAN, NETWORKS, ORIGINS, PATH, Rule, matching, whole
from server.core.ids import NODE_BITS

WORKERS_MAX: Final = 64
TLS: Final = "HUP reads it again; to switch TLS on or off needs a restart"

ADDRESS_KEYS: Final = {
    "server.host": ConfigKey("address to listen on", matching(r"\S+", "a host name or an address")),
    "server.port": ConfigKey("TCP port; 0: any free port", whole(0, 65_535)),
    "server.node": ConfigKey(
        "part of the ids that this process makes: the first number from here on that no other server has",
        whole(0, 2**NODE_BITS - 1),
    ),
    "server.workers": ConfigKey(
        'processes behind the address, each on a core of its own; "auto": one for each core',
        Rule(
            f'a whole number from 1 to {WORKERS_MAX}, or "auto"',
            lambda value: value == "auto" or 1 <= value <= WORKERS_MAX,
        ),
    ),
    "server.owners": ConfigKey(
        'of these, those that decide packets; "auto": one for each core that the private stores leave over',
        Rule(
            f'a whole number from 1 to {WORKERS_MAX}, or "auto"',
            lambda value: value == "auto" or 1 <= value <= WORKERS_MAX,
        ),
    ),
    "server.tls_certificate": ConfigKey("certificate chain, PEM file; empty: no TLS", PATH, TLS),
    "server.tls_key": ConfigKey("private key of the certificate, PEM file", PATH, TLS),
    "server.proxy_protocol": ConfigKey(
        "proxies whose connections begin with a PROXY header, version 2, which tells the address of the client",
        NETWORKS,
    ),
    "websocket.listen": ConfigKey(
        "address for clients that speak WebSocket; empty: none",
        matching(rf"({ADDRESS})?", 'empty or an address such as "127.0.0.1:7791"'),
    ),
    "websocket.origins": ConfigKey(
        "pages that may connect, by their Origin; clients that are no browsers send none and may connect",
        ORIGINS,
        FOR_CONNECTIONS,
    ),
    "websocket.trusted_proxies": ConfigKey(
        "reverse proxies whose X-Forwarded-For tells the address of the client",
        NETWORKS,
    ),
    "websocket.proxy_protocol": ConfigKey(
        "proxies whose connections begin with a PROXY header, version 2, instead of X-Forwarded-For or before it",
        NETWORKS,
    ),
    "websocket.tls": ConfigKey("true: TLS with server.tls_certificate, if that is set; false: no TLS", BOOLEAN),
    "peers.listen": ConfigKey(
        "address for servers on other machines; each worker takes the first free port from it on; empty: none",
        matching(rf"({ADDRESS})?", 'empty or an address such as "10.0.0.5:7800"'),
    ),
    "peers.advertise": ConfigKey(
        "host at which those reach it; empty: that of peers.listen",
        matching(r"(\[[0-9a-fA-F:]+\]|[\w.-]*)", "empty or a host name or an address"),
    ),
    "peers.tls": ConfigKey(
        "false: links are not encrypted (both ends are proved anyway), for networks that encrypt by themselves",
        BOOLEAN,
    ),
    **OFFICE_KEYS,
    **OIDC_KEYS,
}

WEB_KEYS: Final = {
    "web.enabled": ConfigKey("the HTTP API serves the app for browsers at /app/; needs websocket.listen", BOOLEAN),
    "web.websocket_url": ConfigKey(
        "where that app connects, such as a proxy before websocket.listen; empty: websocket.listen itself",
        matching(
            r"(wss?://[\w.:\[\]-]+(/[\w.~/-]*)?)?",
            'empty or a ws or wss url without query, such as "wss://chat.example.com/ws"',
        ),
    ),
    "web.card_hint": ConfigKey(
        "a hint that the app shows where a card is bound: Chinese | English; with a third part, of card numbers, "
        "each user is told another of them in place of {card}",
        matching(
            r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,1000}",
            'empty or a text of at most 1,000 characters in one line, such as "测试卡 … | test card …"',
        ),
    ),
    "web.replay_names": ConfigKey("`hongbao replay --names` may name users; they must have agreed", BOOLEAN),
}
