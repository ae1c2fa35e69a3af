"""The keys of the config for the back office, and for single sign-on there."""

from __future__ import annotations

from typing import Final

from server.config.config_key import ConfigKey
from server.config.rules import ADDRESS, BOOLEAN, NETWORKS, Rule, matching
from server.core.office.roles import OfficeRole

ROLES: Final = ", ".join(OfficeRole)
HIDDEN: Final = "***"

OFFICE_KEYS: Final = {
    "office.enabled": ConfigKey("the back office for people, in a browser (docs/back-office.md)", BOOLEAN),
    "office.listen": ConfigKey(
        "its own address; without TLS an address of this machine only",
        matching(ADDRESS, 'an address such as "127.0.0.1:7794"'),
    ),
    "office.behind_proxy": ConfigKey(
        "a proxy ends TLS before the back office, which then speaks plain HTTP on any address", BOOLEAN
    ),
}

OIDC_KEYS: Final = {
    "oidc.issuer": ConfigKey(
        "operators log in at this provider of OpenID Connect; empty: by keys alone (docs/back-office.md)",
        matching(r"(https?://[!-~]+)?", "empty or a URL https://…"),
    ),
    "oidc.client_id": ConfigKey(
        "what this server is to the provider", matching(r"[ -~]{0,255}", "up to 255 ASCII characters")
    ),
    "oidc.client_secret": ConfigKey(
        "empty: a public client, with PKCE alone",
        matching(r"[ -~]{0,255}", "up to 255 ASCII characters"),
        mask=lambda secret: HIDDEN if secret else "",
    ),
    "oidc.office_url": ConfigKey(
        "the address of the back office as browsers see it; the provider sends them back to its /oidc/back",
        matching(r"(https?://[!-.0-~]+)?", 'empty or a URL such as "https://office.example"'),
    ),
    "oidc.scopes": ConfigKey(
        "what the provider is asked for",
        Rule('a list of words with "openid"', lambda words: "openid" in words and all(map(_is_word, words))),
    ),
    "oidc.name_claim": ConfigKey("claim that has the name of an operator", matching(r"[!-~]{1,100}", "a claim")),
    "oidc.role_claim": ConfigKey(
        "claim that has groups or roles; realm_access.roles looks inside of realm_access",
        matching(r"[!-~]{1,100}", "a claim"),
    ),
    "oidc.roles": ConfigKey(
        f"table of value of that claim = role ({ROLES}); the first row that fits holds",
        Rule(f"a table of value = {ROLES}", lambda table: all(role in set(OfficeRole) for role in table.values())),
    ),
    "oidc.allow_private": ConfigKey("private networks in which the provider may be", NETWORKS),
}


def _is_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and bool(text)
