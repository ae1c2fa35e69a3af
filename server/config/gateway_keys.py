"""The keys of the config for payments: gateways to other books, the pay password, limits."""

from __future__ import annotations

from typing import Final

from server.config.config_key import HUP, ConfigKey
from server.config.masking import hide_keys
from server.config.rules import (
    BOOLEAN,
    FEN_MAX,
    KEY_PAIRS,
    NETWORKS,
    TOKEN_KEYS,
    matching,
    number,
    one_of,
    url,
    whole,
)

GATEWAY_KEYS: Final = {
    "host_wallet.url": ConfigKey(
        "the chat backend's own wallet, which holds the money of users; empty: wallets of hongbao hold it",
        url("https", "http"),
    ),
    "host_wallet.keys": ConfigKey(
        "key id = hex; all verify its replies, the last one signs calls to it", TOKEN_KEYS, HUP, hide_keys
    ),
    "host_wallet.timeout_s": ConfigKey("the longest that a call to it may take, seconds", number(0.1, 60)),
    "host_wallet.allow_private": ConfigKey(
        "private networks that it may be in, also without TLS; all others are refused", NETWORKS
    ),
    "bank.url": ConfigKey("a bank that takes payments by card (docs/bank.md); empty: none", url("https", "http")),
    "bank.merchant": ConfigKey(
        "our name at the bank", matching(r"[\w.-]{0,64}", "empty or up to 64 letters, digits, . - and _")
    ),
    "bank.keys": ConfigKey(
        "serial = hex of a private key, ed25519 or RSA; the last one signs calls", KEY_PAIRS, HUP, hide_keys
    ),
    "bank.bank_keys": ConfigKey(
        "serial = hex of a public key of the bank; all verify its replies, notices and statements", KEY_PAIRS, HUP
    ),
    "bank.timeout_s": ConfigKey("the longest that a call about a payment may take, seconds", number(0.1, 60)),
    "bank.allow_private": ConfigKey(
        "private networks that the bank may be in, also without TLS; all others are refused", NETWORKS
    ),
    "manual.enabled": ConfigKey(
        "payments may be made by hand, and an operator confirms or declines them: hongbao payment NUMBER", BOOLEAN
    ),
    "payments.wallet_password": ConfigKey(
        "who needs the pay password for payments from the wallet: card: users with a card; always; never",
        one_of("card", "always", "never"),
    ),
    "payments.day_limit_fen": ConfigKey(
        "what a user may pay in a Beijing day by card, to cards and to other users, in the smallest unit; 0: any",
        whole(0, FEN_MAX),
        HUP,
    ),
}
