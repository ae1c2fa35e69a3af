"""A chat backend that speaks HTTP. It signs by itself, as docs/http-api.md says, with nothing of the server."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import aiohttp
from yarl import URL

from tests.conftest import API_KEYS


class Answer(NamedTuple):
    """A response: its status, its JSON, and its headers."""

    status: int
    json: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        assert self.json["status"] == self.status, self
        return str(self.json["code"])


def signed(
    method: str,
    target: str,
    body: bytes,
    *,
    idempotency_key: str = "",
    key_id: str = "api",
    key: bytes = API_KEYS["api"],
    at_s: float | None = None,
    nonce: str = "",
) -> dict[str, str]:
    """The four headers of a signature."""
    stamp, nonce = str(int(time.time() if at_s is None else at_s)), nonce or secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    lines = ["hongbao-http-1", key_id, stamp, nonce, method, target, idempotency_key, digest]
    mac = hmac.new(key, "\n".join(lines).encode(), "sha256").hexdigest()
    return {
        "Hongbao-Key": key_id,
        "Hongbao-Timestamp": stamp,
        "Hongbao-Nonce": nonce,
        "Hongbao-Signature": mac,
    }


class Api:
    """Requests to one server, with one connection pool."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def send(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], **options: Any
    ) -> Answer:
        """Send these bytes with these headers, as they are."""
        assert self._session is not None
        url = URL(self.url + target, encoded=True)
        async with self._session.request(
            method, url, data=io.BytesIO(body) if body else None, headers=headers, **options
        ) as response:
            return Answer(response.status, json.loads(await response.read()), dict(response.headers))

    async def __call__(self, method: str, target: str, body: Any = None, key: str = "") -> Answer:
        """A signed request with a JSON body; `key` is its Idempotency-Key."""
        data = b"" if body is None else json.dumps(body).encode()
        headers = signed(method, target, data, idempotency_key=key)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        return await self.send(method, target, data, headers)

    async def ok(self, method: str, target: str, body: Any = None, key: str = "") -> Any:
        """The JSON of a request that must succeed."""
        answer = await self(method, target, body, key)
        assert answer.status == 200, answer
        return answer.json
