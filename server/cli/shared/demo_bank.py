"""The bank of `hongbao demo`: a process with its own books that loses some replies, and both books compared."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.bank.desk import BankDesk, NoBank
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.keys import load_keyring, public_text
from client_sim.bank.run import KEYS_FILE, NOTICE_PATH
from client_sim.bank.server import MERCHANT_NAME
from client_sim.sim.words import words
from protocol.money_unit import YUAN, MoneyUnit
from server.cli.shared.resources import CommandFailed
from server.config import Config
from server.config.money import money_unit
from server.embedded.run import die_with
from server.instance import running
from server.process import OURS, end_child
from storage.postgres.database import Database

FOLDER: Final = "bank"  # below the data folder
LOG: Final = "bank.log"
START_S: Final = 30.0
STOP_S: Final = 10.0
POLL_S: Final = 0.1
SETTLE_S: Final = 30.0  # for the payments that are unknown when the users have left
FAULT_SHARE: Final = 0.3
# Places of cards for people: no crowd of fewer users has them, and each demo shows others, because a card keeps the
# first holder and phone that it is bound with.
FIRST_PLACE, PLACES = 80_000, 20_000
FAULTS: Final = (Fault.REPLY_LOST, Fault.ERROR_AFTER_COMMIT, Fault.UNKNOWN_CODE, Fault.NOTICE_FIRST)
OURS_SQL: Final = """
SELECT number::text, kind, amount_fen, state,
       EXISTS (SELECT FROM payment_evidence e WHERE e.number = p.number AND e.state = 'unknown') AS was_unknown
FROM payments p WHERE gateway = 'bank'
"""
OPEN_SQL: Final = (
    "SELECT count(*) FROM payments WHERE gateway = 'bank' AND state IN ('created', 'submitted', 'unknown')"
)
# The journal of the bank: its postings. What failed has none, so its orders are read, too.
THEIRS_SQL: Final = """
SELECT o.number, o.kind, o.fen, o.result, coalesce(sum(p.fen), 0), count(p.id), o.fault
FROM orders o LEFT JOIN postings p ON p.number = o.number
WHERE o.kind IN ('charge', 'payout') GROUP BY o.number
"""


def may_have_bank(settings: Config, data: Path) -> bool:
    """Whether a demo starts a bank: not for points, not beside another book, not for a server that runs already."""
    has_other = settings.bank.url or settings.host_wallet.url or settings.manual.enabled
    return not has_other and money_unit(settings) == YUAN and running(data) is None


def cards_for_people(count: int, now_s: float) -> list[str]:
    """Numbers of cards of the simulated bank which are not bound yet: at every second others."""
    first = int(now_s) * count
    return [card_number(serial=FIRST_PLACE + (first + place) % PLACES) for place in range(count)]


def card_hint(cards: Sequence[str], url: str) -> Mapping[str, str]:
    """The config of a server whose app names each user one of these cards of the bank at this URL."""
    said = [words(language, "cards_hint", card="{card}", url=url) for language in ("zh", "en")]
    return {"HONGBAO_WEB__CARD_HINT": " | ".join([*said, " ".join(cards)])}


class DemoBank:
    """Inside `with` the bank runs. `environment` is the config of its merchant's server."""

    def __init__(self, data: Path, seed: int) -> None:
        """`seed` draws the orders that have a fault. Raises OSError, ValueError."""
        self.folder, self._seed = data / FOLDER, seed
        self._child: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:  # the server must know the port before the bank is asked which one it has
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = load_keyring(self.folder / KEYS_FILE)
        self.environment: Mapping[str, str] = {
            "HONGBAO_BANK__URL": self.url,
            "HONGBAO_BANK__MERCHANT": MERCHANT_NAME,
            "HONGBAO_BANK__KEYS": _inline(keys.merchant),
            "HONGBAO_BANK__BANK_KEYS": _inline({one: public_text(key) for one, key in keys.bank.items()}),
            "HONGBAO_BANK__ALLOW_PRIVATE": '["127.0.0.0/8"]',
        }

    def __enter__(self) -> Self:
        options = ("--no-fsync", "--data", str(self.folder), "--port", str(self._port), "--http-api", "")
        with (self.folder / LOG).open("ab") as log:
            self._child = subprocess.Popen(
                [OURS.python, "-m", OURS.module, "bank", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_child(self._child, STOP_S)

    async def open_desk(self, http_api: str, share: float = FAULT_SHARE) -> None:
        """Wait for the bank, then order where its notices go, and the share of its faults. Raises CommandFailed."""
        desk, ends_s = BankDesk(self.url), time.monotonic() + START_S
        faults = [fault.value for fault in FAULTS]
        try:
            while True:
                try:
                    await desk.do("notice_url", to=http_api + NOTICE_PATH)
                    return await desk.do("plan", seed=self._seed, share=share, bill_share=0, faults=faults)
                except NoBank as error:
                    self._check(ends_s, error)
                    await asyncio.sleep(POLL_S)
        finally:
            await desk.close()

    def _check(self, ends_s: float, error: NoBank) -> None:
        has_ended = self._child is None or self._child.poll() is not None
        if has_ended or time.monotonic() > ends_s:
            raise CommandFailed(f"the bank did not start: {error} (see {self.folder / LOG})")

    def journal(self) -> list[JournalLine]:
        """The charges and payouts in the books of the bank. Raises sqlite3.Error."""
        with closing(sqlite3.connect(f"file:{self.folder / 'bank.db'}?mode=ro", uri=True)) as books:
            return [JournalLine(*row) for row in books.execute(THEIRS_SQL)]


class JournalLine(NamedTuple):
    """An order at the bank, and what its postings moved."""

    number: str
    kind: str
    fen: int
    result: str
    posted_fen: int
    postings: int
    fault: str


class OurLine(NamedTuple):
    """A payment of hongbao. `was_unknown`: at some time its outcome was not known."""

    number: str
    kind: str
    fen: int
    state: str
    was_unknown: bool


def differences(ours: Sequence[OurLine], theirs: Sequence[JournalLine]) -> list[str]:
    """What does not agree, number by number; a line each."""
    bank, found = {one.number: one for one in theirs}, list[str]()
    for one in ours:
        other = bank.pop(one.number, None)
        if other is None and one.state == "failed":
            continue  # it was never sent
        said = None if other is None else (other.kind, other.fen, other.result)
        if said != (one.kind, one.fen, one.state):
            found.append(f"payment {one.number}: hongbao has {(one.kind, one.fen, one.state)}, the bank {said}")
        elif other is not None and (other.postings, other.posted_fen) != _posted(one):
            found.append(f"payment {one.number}: the bank posted it {other.postings} times")
    return found + [f"payment {number}: only the bank has it" for number in bank]


def _posted(one: OurLine) -> tuple[int, int]:
    return (1, one.fen) if one.state == "succeeded" else (0, 0)


async def settled(database: Database) -> list[OurLine]:
    """The payments of hongbao, once they have all ended or patience has."""
    async with database.reading() as connection:
        for _ in range(int(SETTLE_S / POLL_S)):
            if not await connection.fetchval(OPEN_SQL):
                break
            await asyncio.sleep(POLL_S)
        return [OurLine(*row) for row in await connection.fetch(OURS_SQL)]


def print_books(console: Console, ours: Sequence[OurLine], theirs: Sequence[JournalLine], money: MoneyUnit) -> bool:
    """Print both books by kind and state, and whether they agree; true if they do."""
    table = Table(title="payments by card", title_style="bold red", title_justify="left", box=None)
    for head in ("kind", "state"):
        table.add_column(head)
    for head in ("hongbao", f"{money.en}", "bank", f"{money.en}"):
        table.add_column(head, justify="right")
    rows = sorted({(one.kind, one.state) for one in ours} | {(one.kind, one.result) for one in theirs})
    for kind, state in rows:
        mine = [one.fen for one in ours if (one.kind, one.state) == (kind, state)]
        others = [one.fen for one in theirs if (one.kind, one.result) == (kind, state)]
        sums = (f"{len(mine):,}", money.number(sum(mine)), f"{len(others):,}", money.number(sum(others)))
        table.add_row(kind, state, *sums)
    found = differences(ours, theirs)
    faults = Counter(one.fault for one in theirs if one.fault != Fault.NONE)
    resolved = sum(one.was_unknown for one in ours)
    console.print()
    console.print(table)
    said = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items())) or "none"
    console.print(f"faults of the bank: {said}; payments that were unknown and are resolved: {resolved}")
    for line in found:
        console.print(Text.assemble(("✘ ", "bold red"), line))
    if not found:
        agree = f"both books agree on {len(ours):,} payments, number by number"
        console.print(Text.assemble(("✔ ", "bold green"), agree))
    return not found


def _inline(values: Mapping[str, str]) -> str:
    """A table in one line of TOML."""
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + "}"
