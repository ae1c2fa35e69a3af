"""The admin page of a bank, for programs: the codes that its phones have, its faults, where its notices go."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import aiohttp

CALL_S: Final = 10.0
POLL_S: Final = 0.05
CODE: Final = re.compile(r"\b\d{6}\b")


class NoBank(Exception):
    """The bank does not answer, or a text has not arrived; the message is one line."""


class BankDesk:
    """What people would look up at the bank. `url`: of the bank; its admin page is below it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def code(self, phone: str, patience_s: float = CALL_S) -> str:
        """The code in the newest text to a phone, once it has come. Raises NoBank."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + patience_s
        while loop.time() < ends_at:
            texts = [one["text"] for one in (await self.state())["messages"] if one["phone"] == phone]
            if texts and (found := CODE.search(texts[0])) is not None:
                return found[0]
            await asyncio.sleep(POLL_S)
        raise NoBank(f"no text came to the phone {phone}")

    async def state(self) -> dict[str, Any]:
        """All that the admin page shows, the newest first. Raises NoBank."""
        return await self._ask("GET", "/admin/state", None)

    async def do(self, action: str, **asked: Any) -> None:
        """An action of the admin page. Raises NoBank."""
        await self._ask("POST", "/admin/do", {"action": action, **asked})

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        if self._is_closed:
            raise NoBank(f"the connections to the bank at {self.url} are closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S))
        try:
            async with self._session.request(method, self.url + path, json=body) as response:
                answer: dict[str, Any] = await response.json()
                if response.status != 200:
                    raise NoBank(f"the bank at {self.url}: {answer.get('error', response.status)}")
                return answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoBank(f"no bank at {self.url}: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close the connections, for good."""
        session, self._session, self._is_closed = self._session, None, True
        if session is not None:
            await session.close()
