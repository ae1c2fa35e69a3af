"""A user of plain mode who waits for what is printed, and reads the codes that the bank has sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from io import StringIO
from types import TracebackType
from typing import Any, NamedTuple, Self

from client_sim.bank.server import BankServer
from client_sim.chat.plain import Plain
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import PATIENCE_S, Server, token

HOLDER, PHONE, PASSWORD = "王小明", "13800001234", "246810"


class Asked(NamedTuple):
    """A send as it was asked for: its key, its client seed, the card."""

    key: str | None
    client_seed: bytes | None
    card_id: int


class Recorder(Client):
    """Remembers the sends."""

    asked: list[Asked]

    async def send_packet(self, *words: Any, **more: Any) -> messages.PacketSent:
        self.asked.append(Asked(words[5], words[6], more["card_id"]))
        return await super().send_packet(*words, **more)


class Talker:
    """Inside `async with` the chat runs. `see` looks only at lines that were not seen before."""

    def __init__(self, server: Server, bank: BankServer, name: str, group_id: int = 0) -> None:
        self.bank = bank
        self.client = Recorder(server.url, token(user_id_of(name)))
        self.client.asked = []
        self.out = StringIO()
        self.typed: list[str] = []
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._plain = Plain(self.client, self.out, Start(name, group_id, "en"))
        self._task: asyncio.Task[int] | None = None
        self._seen = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._plain.run(self._lines))
        await self.see("welcome .*")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._lines.put_nowait(None)
        await self._task
        await self.client.close()

    @property
    def session(self) -> Any:
        """The session of the chat."""
        return self._plain.session

    def type(self, *lines: str) -> None:
        """Type lines."""
        self.typed += lines
        for line in lines:
            self._lines.put_nowait(line)

    async def see(self, *patterns: str) -> list[re.Match[str]]:
        """Wait until lines that match stand in this order behind those seen before."""
        found = []
        for pattern in patterns:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found.append(await self._line(pattern))
            except TimeoutError:
                raise AssertionError(f"{pattern} not in:\n" + "\n".join(self._unseen())) from None
        return found

    async def find(self, pattern: str) -> None:
        """Wait until a line that matches stands anywhere: a push may come before the reply, or behind it."""
        seen, self._seen = self._seen, 0
        await self.see(pattern)
        self._seen = max(seen, self._seen)

    async def _line(self, pattern: str) -> re.Match[str]:
        while True:
            for place, line in enumerate(self._unseen(), self._seen):
                if (found := re.fullmatch(pattern, line)) is not None:
                    self._seen = place + 1
                    return found
            await asyncio.sleep(0.01)

    def _unseen(self) -> list[str]:
        return self.out.getvalue().split("\n")[self._seen : -1]

    async def code(self, phone: str = PHONE) -> str:
        """The code in the newest message to a phone."""
        found = re.search(r"\d{6}", self.bank.books.inbox(phone)[-1])
        assert found is not None
        return found[0]

    async def bind(self, number: str, holder: str = HOLDER, phone: str = PHONE) -> None:
        """Bind a first card."""
        self.type(f"/bind {number} {phone} {holder}")
        await self.see("code_sent .*")
        self.type(f"/code {await self.code(phone)} {PASSWORD} {PASSWORD}")
        await self.see("bound .*")


def strings_in(one: object, seen: set[int] | None = None) -> Iterator[str]:
    """Every text that an object reaches by its attributes and elements."""
    seen = seen if seen is not None else set()
    if id(one) in seen:
        return
    seen.add(id(one))
    if isinstance(one, str | bytes):
        yield one if isinstance(one, str) else one.decode("latin-1")
        return
    parts: list[object] = []
    if isinstance(one, dict):
        parts += [*one.keys(), *one.values()]
    elif isinstance(one, list | tuple | set | frozenset):
        parts += one
    parts += list(getattr(one, "__dict__", {}).values())
    for kind in type(one).__mro__:
        slots = getattr(kind, "__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        parts += [getattr(one, name) for name in names if hasattr(one, name)]
    for part in parts:
        if not isinstance(part, type | asyncio.AbstractEventLoop) and not callable(part):
            yield from strings_in(part, seen)
