"""Run the bank as a process, with its books and keys in a folder, and what it prints at its start."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from client_sim.bank.admin import AdminPages
from client_sim.bank.faults import BANK_NAME, CODES, FaultPlan, card_number
from client_sim.bank.keys import load_keyring, save_keyring
from client_sim.bank.orders import Timing
from client_sim.bank.server import BankServer, open_books

KEYS_FILE: Final = "keys.toml"
NOTICE_PATH: Final = "/bank/bank/notice"  # of hongbao, below the address of its HTTP API


async def serve(
    folder: Path,
    host: str,
    port: int,
    http_api: str,
    plan: FaultPlan,
    timing: Timing,
    *,
    new_keys: bool,
    waits_for_disk: bool = True,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM. `http_api`: the URL of hongbao's HTTP API, to which notices go.

    Raises OSError, sqlite3.Error, ValueError.
    """
    books = open_books(folder, waits_for_disk=waits_for_disk)
    keys = load_keyring(folder / KEYS_FILE)
    if new_keys:
        keys.rotate()
        save_keyring(folder / KEYS_FILE, keys)
    notice_url = http_api.rstrip("/") + NOTICE_PATH if http_api else ""
    bank = BankServer(books, keys, notice_url=notice_url, plan=plan, timing=timing)
    bank.pages = AdminPages(bank)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await bank.start(host, port)
        say(greeting(bank))
        sys.stdout.flush()
        await stop.wait()
    finally:
        await bank.stop()
        books.close()


def greeting(bank: BankServer) -> str:
    """Where the bank is, what hongbao needs to call it, and the cards that it has."""
    cards = [f"  {card_number(fault)}  {fault.value}" for fault in CODES.values()]
    lines = [
        f"{BANK_NAME} (no real bank) at {bank.url}; admin page: {bank.url}/admin",
        f"notices go to {bank.notices.url or 'no address'}",
        "",
        "# for the config of hongbao",
        bank.keys.config_lines(bank.url, bank.merchant),
        "# test cards; each keeps the first holder and phone that it is bound with (more of them: docs/bank.md)",
        *cards,
    ]
    return "\n".join(lines)
