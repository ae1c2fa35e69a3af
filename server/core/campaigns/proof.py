"""The proof of a pool: its seed, where that comes from, and what was won. Checked without any store.

`of_json` reads the form that is published (docs/protocol.md, section 10), `to_json` writes it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from server.core import seeds
from server.core.campaigns.deck import BandDeck, Deck, parsed
from server.core.campaigns.pool import Pool, content_of

_PLAIN = ("campaign_id", "sponsor_id", "seed_index")
_BYTES = ("server_seed", "client_seed", "root", "seed", "commitment")
_NUMBER_MAX = 2**63 - 1  # of ids and indexes
_CLIENT_SEEDS = (0, *seeds.CLIENT_SEED_BYTES)


class WonNumber(NamedTuple):
    """A number of the pool that was won, and the amount in fen that its winner was told."""

    number: int
    amount_fen: int


class CampaignProof(NamedTuple):
    """What is revealed when a campaign is over. `told_root`, `my_client_seed`: what the reader has kept."""

    campaign_id: int
    sponsor_id: int
    deck: Deck
    seed_index: int
    server_seed: bytes
    client_seed: bytes
    path: tuple[bytes, ...]
    root: bytes
    seed: bytes
    commitment: bytes
    wins: tuple[WonNumber, ...]
    told_root: bytes | None = None
    my_client_seed: bytes | None = None


class BadProof(ValueError):
    """The text is no proof of a pool."""


def of_json(text: str) -> CampaignProof:
    """The proof in a JSON text. Raises BadProof, one line."""
    try:
        found: dict[str, Any] = json.loads(text)
        kept = [bytes.fromhex(found[name]) if name in found else None for name in ("told_root", "my_client_seed")]
        wins = tuple(WonNumber(_whole(number, -_NUMBER_MAX), _whole(amount)) for number, amount in found["wins"])
        path = tuple(map(bytes.fromhex, found["path"]))
        campaign_id, sponsor_id, index = (_whole(found[name]) for name in _PLAIN)
        server_seed, client_seed, root, seed, commitment = (bytes.fromhex(found[name]) for name in _BYTES)
        if len(client_seed) not in _CLIENT_SEEDS:
            raise ValueError(f"a client seed of {len(client_seed)} bytes")
        deck = parsed(found["deck"].encode())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadProof(f"no proof of a campaign: {type(error).__name__}: {error}") from None
    return CampaignProof(
        campaign_id, sponsor_id, deck, index, server_seed, client_seed, path, root, seed, commitment, wins, *kept
    )


def _whole(value: Any, least: int = 0) -> int:
    """A number of a proof, which may be that of a stranger. Raises ValueError."""
    if type(value) is not int or not least <= value <= _NUMBER_MAX:
        raise ValueError(f"{str(value)[:40]} is not a whole number from {least} to {_NUMBER_MAX}")
    return value


def to_json(proof: CampaignProof) -> str:
    """The published form of a proof, without what a party kept: one win a line."""
    fields: dict[str, Any] = {name: getattr(proof, name) for name in _PLAIN}
    fields |= {name: getattr(proof, name).hex() for name in _BYTES}
    fields |= {"path": [one.hex() for one in proof.path], "deck": proof.deck.canonical().decode()}
    wins = ",\n".join(json.dumps(win) for win in proof.wins)
    return f'{json.dumps(fields)[:-1]}, "wins": [\n{wins}\n]}}\n'


def faults(proof: CampaignProof) -> list[str]:
    """Everything that is wrong with a proof; empty if the campaign was fair."""
    return [*_origin_faults(proof), *_win_faults(proof)]


def _origin_faults(proof: CampaignProof) -> Iterator[str]:
    """Where the seed comes from."""
    try:
        led_to = seeds.root_of_path(proof.server_seed, proof.seed_index, proof.path)
    except ValueError:
        led_to = b""
    if led_to != proof.root:
        yield "the server seed is not in the tree of this root"
    if proof.told_root not in (None, proof.root):
        yield "the root is not the one that was told before the campaign"
    if proof.my_client_seed not in (None, proof.client_seed):
        yield "the client seed is not mine"
    content = content_of(proof.deck, proof.sponsor_id)
    derived = seeds.packet_seed(proof.server_seed, proof.seed_index, proof.client_seed, content)
    if not hmac.compare_digest(derived, proof.seed):
        yield "the seed does not follow from the server seed, the client's and the deck"
    if seeds.commitment(proof.seed, proof.campaign_id, content) != proof.commitment:
        yield "seed and deck do not fit the commitment"


def _win_faults(proof: CampaignProof) -> Iterator[str]:
    """Each number at most once, and each with its amount."""
    pool, won = Pool(proof.deck, proof.seed), set[int]()
    for number, amount in proof.wins:
        if not 0 <= number < proof.deck.numbers:
            yield f"the pool has no number {number}"
        elif number in won:
            yield f"number {number} was won twice"
        elif amount != (due := pool.amounts(number, 1)[0]):
            yield f"number {number} is {amount}, the seed says {due}"
        won.add(number)
    if len(won) == proof.deck.numbers and sum(win.amount_fen for win in proof.wins) != proof.deck.total_fen:
        yield f"all numbers were won, and their sum is not {proof.deck.total_fen}"


class BandTally(NamedTuple):
    """A band of the deck: its places, how many wins fell into it, and how many are expected of so many wins."""

    low_fen: int
    high_fen: int
    quota: int
    won: int
    expected: float


def tallies(deck: BandDeck, amounts: Sequence[int]) -> list[BandTally]:
    """How amounts that were won fall into the bands of their deck."""
    found = []
    for band, quota in zip(deck.bands, deck.quotas, strict=True):
        won = sum(band.low_fen <= amount <= band.high_fen for amount in amounts)
        found.append(BandTally(band.low_fen, band.high_fen, quota, won, len(amounts) * quota / deck.numbers))
    return found


def chi_square(bands: Sequence[BandTally], numbers: int) -> float:
    """χ² of wins by band against their quotas, as so many were drawn without replacement from `numbers`.

    Degrees of freedom: bands − 1. 0 when all numbers were won.
    """
    won = sum(band.won for band in bands)
    if won in (0, numbers):
        return 0.0
    plain = sum((band.won - band.expected) ** 2 / band.expected for band in bands)
    return plain * (numbers - 1) / (numbers - won)
