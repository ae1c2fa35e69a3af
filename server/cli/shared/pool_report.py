"""The proof of a campaign on the screen: what was won, by band, and whether the seed gives every amount."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from protocol.money_unit import MoneyUnit
from server.cli.shared.resources import CommandFailed
from server.core.campaigns.deck import BandDeck
from server.core.campaigns.proof import CampaignProof, chi_square, faults, tallies
from server.services.campaigns.publish import ProofMissing, published_proof
from storage.postgres.database import Database

PATIENCE_S: Final = 30.0
BYTES_MAX: Final = 256 * 1024 * 1024
FAULTS_SHOWN: Final = 10


def read_place(place: str) -> str:
    """The text of a file or of an address on the web. Raises OSError, UnicodeDecodeError."""
    if not place.startswith(("http://", "https://")):
        return Path(place).read_text("utf-8")
    try:
        with urllib.request.urlopen(place, timeout=PATIENCE_S) as reply:
            text = reply.read(BYTES_MAX + 1)
    except urllib.error.HTTPError as refused:
        refused.close()
        raise OSError(str(refused)) from None
    except HTTPException as broken:
        raise OSError(f"no answer of a web server: {type(broken).__name__}") from None
    if len(text) > BYTES_MAX:
        raise OSError(f"longer than {BYTES_MAX:,} bytes")
    return str(text, "utf-8")


async def recorded_proof(
    sets: Sequence[Database], campaign_id: int, keys: Mapping[str, bytes], what: str = "campaign"
) -> CampaignProof:
    """The proof of a campaign, out of the records of all sets. Raises CommandFailed if there is none yet.

    `what`: what a user who gave this id may have meant.
    """
    for one in sets:
        try:
            found = await published_proof(one, campaign_id, keys)
        except ProofMissing as error:
            raise CommandFailed(str(error)) from None
        if found is not None:
            return found
    raise CommandFailed(f"there is no {what} {campaign_id}")


def print_pool(console: Console, proof: CampaignProof, money: MoneyUnit, *, in_full: bool = True) -> bool:
    """Check the proof of a campaign and print it; true if its seed gives every amount.

    Not `in_full`: what was won and whether the proof holds, without the seeds and the bands.
    """
    deck = proof.deck
    about = f"{money.full('en', deck.total_fen)} in {deck.numbers:,} shares, {len(proof.wins):,} won"
    _line(console, f"campaign {proof.campaign_id}: {about}")
    if in_full:
        _print_proof(console, proof, money)
    found = faults(proof)
    for fault in found[:FAULTS_SHOWN]:
        _line(console, f"verify: wrong ({fault})", "red bold")
    if len(found) > FAULTS_SHOWN:
        _line(console, f"verify: {len(found) - FAULTS_SHOWN:,} more", "red bold")
    if not found:
        _line(console, f"verify: ok ({len(proof.wins):,} numbers, each once, follow from seed and deck)", "bold")
    return not found


def _print_proof(console: Console, proof: CampaignProof, money: MoneyUnit) -> None:
    for name, value in {
        f"server seed {proof.seed_index}": proof.server_seed.hex(),
        "client seed": proof.client_seed.hex() or "none: the server knew the seed before the campaign",
        "root": proof.root.hex(),
        "commitment": proof.commitment.hex(),
        "seed": proof.seed.hex(),
    }.items():
        _line(console, f"{name}  {value}")
    if isinstance(proof.deck, BandDeck):
        _print_bands(console, proof.deck, proof, money)


def _print_bands(console: Console, deck: BandDeck, proof: CampaignProof, money: MoneyUnit) -> None:
    bands = tallies(deck, [win.amount_fen for win in proof.wins])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in (money.en, "shares", "won", "expected"):
        table.add_column(title, justify="right")
    for band in bands:
        ends = dict.fromkeys(map(money.number, (band.low_fen, band.high_fen)))
        table.add_row(" to ".join(ends), f"{band.quota:,}", f"{band.won:,}", f"{band.expected:,.1f}")
    console.print(table)
    chi = chi_square(bands, deck.numbers)
    _line(console, f"chi-square of the bands {chi:.2f}, degrees of freedom {len(bands) - 1}")


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, highlight=False, soft_wrap=True, style=style)
