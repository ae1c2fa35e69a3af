"""The page of a replay: one file that needs no network, with the records and a program that checks them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from protocol.money_unit import MoneyUnit
from server.core.decisions import Claim
from server.core.packet_request import Terms
from server.core.pages import State
from server.core.texts import Language
from server.one_file_page import one_file_page
from server.services.seeds.service import SeedProof

HERE: Final = Path(__file__).parent
PARTS: Final = (("style-src", "replay.css"), ("script-src", "replay.js"))


def replay_page(told: Mapping[str, Any], language: Language) -> bytes:
    """A whole HTML document. `told`: see `told_of`."""
    # `<` cannot begin a tag inside of the text of a script
    records = json.dumps(told, ensure_ascii=False).replace("<", "\\u003c")
    page, policy = one_file_page((HERE / "replay.html").read_text("utf-8"), HERE, PARTS, connect="'none'")
    # a page that is no reply of a server cannot say who may frame it
    in_page = "; ".join(one for one in policy.split("; ") if not one.startswith("frame-ancestors"))
    text = page.decode().replace("{policy}", in_page).replace("{language}", language)
    return text.replace("{records}", records).encode()


def told_of(
    terms: Terms,
    state: State,
    claims: Sequence[Claim],
    proof: SeedProof | None,
    names: Mapping[int, str],
    money: MoneyUnit,
) -> dict[str, Any]:
    """What the page is told. Ids are texts: a browser rounds such numbers. `names`: of those who may be named.

    The id of the sender is a part of the proof; ids of others are not in the page.
    """
    return {
        "packet_id": str(terms.packet_id),
        "kind": str(terms.kind),
        "state": state,
        "sender_id": str(terms.sender_id),
        "sender": names.get(terms.sender_id, ""),
        "greeting": terms.greeting,
        "total_fen": terms.total_fen,
        "shares": terms.shares,
        "share_fen_min": terms.caps.min_fen,
        "share_fen_max": terms.caps.max_fen,
        "sent_at_ms": terms.created_at_ms,
        "expires_at_ms": terms.expires_at_ms,
        "claims": [
            {
                "index": one.index,
                "who": names.get(one.user_id, ""),
                "is_sender": one.user_id == terms.sender_id,
                "amount_fen": one.amount_fen,
                "at_ms": one.at_ms,
            }
            for one in claims
        ],
        "seed": terms.seed.hex(),
        "commitment": terms.commitment.hex(),
        "seed_index": terms.seed_use.index if terms.seed_use else -1,
        "client_seed": terms.seed_use.client_seed.hex() if terms.seed_use else "",
        "server_seed": proof.server_seed.hex() if proof else "",
        "path": [one.hex() for one in proof.path] if proof else [],
        "root": proof.root.hex() if proof else "",
        "decimals": money.decimals,
        "unit": {"zh": money.zh, "en": money.en},
    }
