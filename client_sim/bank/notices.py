"""Notices: each is sent until the merchant has taken it, signed again each time. Forged ones are sent once."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from client_sim.bank.books import BankBooks
from client_sim.bank.keys import BankKeyring, new_key

NOTICE_S: Final = 10.0  # for an answer
WAITS_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
GIVE_UP_AFTER: Final = 100  # tries
AT_ONCE: Final = 16
LOOK_S: Final = 0.05
NOT_SENT: Final = ""


class NoticeSender:
    """Sends what is due while it runs. `url`: where the merchant takes notices; empty: none are sent."""

    def __init__(
        self, books: BankBooks, keys: BankKeyring, url: str, wall_s: Callable[[], float], now_s: Callable[[], float]
    ) -> None:
        """`wall_s`: the time that signatures have; `now_s`: the time of the books, which may be set ahead."""
        self._books, self._keys = books, keys
        self.url = url
        self._wall_s, self._now_s = wall_s, now_s
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False
        self._stranger = BankKeyring({"b0": new_key()}, {})  # who forges notices
        self._sending: set[int] = set()

    async def run(self) -> None:
        """Send what is due, also after `close`. Never ends."""
        self._is_closed = False
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                tasks = {one for one in tasks if not one.done()}
                for row in self._due(AT_ONCE - len(tasks)) if self.url else ():
                    self._sending.add(row["id"])
                    tasks.add(asyncio.get_running_loop().create_task(self._send(row)))
                await asyncio.sleep(LOOK_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _due(self, most: int) -> list[sqlite3.Row]:
        found = self._books.rows(
            "SELECT * FROM notices WHERE due_s <= ? ORDER BY due_s, id LIMIT ?",
            self._now_s(),
            max(0, most) + len(self._sending),
        )
        return [row for row in found if row["id"] not in self._sending][: max(0, most)]

    async def send_now(self, number: str) -> None:
        """Send the notices of an order that are due, before its reply leaves."""
        for row in self._books.rows("SELECT * FROM notices WHERE number = ? AND due_s IS NOT NULL", number):
            if row["id"] not in self._sending and self.url:
                self._sending.add(row["id"])
                await self._send(row)

    async def _send(self, row: sqlite3.Row) -> None:
        try:
            keys = self._stranger if row["forged"] else self._keys
            began_s = perf_counter()
            answer = await self.post(keys, row["body"].encode())
            if answer == NOT_SENT:
                return  # it stays due
            took_ms = (perf_counter() - began_s) * 1000
            is_over = answer == "200" or bool(row["forged"]) or row["tries"] + 1 >= GIVE_UP_AFTER
            due_s = None if is_over else self._now_s() + WAITS_S[min(row["tries"], len(WAITS_S) - 1)]
            change = """UPDATE notices SET tries = tries + 1, answer = ?, due_s = ?, answered_s = ?, took_ms = ?
                        WHERE id = ?"""
            self._books.db.execute(change, (answer, due_s, self._wall_s(), took_ms, row["id"]))
        finally:
            self._sending.discard(row["id"])

    async def post(self, keys: BankKeyring, body: bytes) -> str:
        """Send one notice; the status of its answer, or why there was none. NOT_SENT: the sender is closed."""
        if self._is_closed:  # a call that is served to its end: nothing would close what it opens
            return NOT_SENT
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=NOTICE_S))
        path = urlsplit(self.url).path
        headers = keys.signed_headers("POST", path, int(self._wall_s()), secrets.token_hex(16), body)
        headers["Content-Type"] = "application/json"
        try:
            async with self._session.post(self.url, data=body, headers=headers) as response:
                return str(response.status)
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__

    async def close(self) -> None:
        """Close all connections, and send nothing until `run`."""
        session, self._session, self._is_closed = self._session, None, True
        if session is not None:
            with suppress(aiohttp.ClientError):
                await session.close()
