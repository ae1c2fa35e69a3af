"""A Valkey or Redis of a test's own, with the settings that people run it with."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from redis import asyncio as aioredis

from server.embedded.run import die_with
from server.embedded.stores import VALKEY_SETTINGS, valkey_program

SOCKET = "redis.sock"


@asynccontextmanager
async def own_redis(**settings: str) -> AsyncIterator[aioredis.Redis]:
    """Started with the settings of the embedded one and these (_ for the hyphen); a client of it."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        path = Path(folder, SOCKET)
        with _running(valkey_program(), folder, {"unixsocket": str(path), **settings}):
            async with aioredis.Redis.from_url(f"unix://{path}") as client:
                await _until_it_answers(client)
                yield client


@asynccontextmanager
async def own_tls_redis(port: int, certificate: str, key: str, ca_file: str) -> AsyncIterator[None]:
    """With TLS on a port of loopback: a program that was built with TLS, or Valkey behind a proxy that ends TLS."""
    program = _program_with_tls()
    if program is None:
        async with own_redis() as plain, tls_proxy(port, certificate, key, path_of(plain)):
            yield
        return
    settings = {"tls-port": str(port), "tls-cert-file": certificate, "tls-key-file": key}
    settings |= {"tls-ca-cert-file": ca_file, "tls-auth-clients": "no"}
    with tempfile.TemporaryDirectory(prefix="hb-") as folder, _running(program, folder, settings):
        async with aioredis.Redis.from_url(f"rediss://127.0.0.1:{port}?ssl_ca_certs={ca_file}") as client:
            await _until_it_answers(client)
        yield


def path_of(redis: aioredis.Redis) -> str:
    """The socket of a Redis of the test's own."""
    return str(redis.connection_pool.connection_kwargs["path"])


@asynccontextmanager
async def tls_proxy(port: int, certificate: str, key: str, socket: str) -> AsyncIterator[None]:
    """Ends TLS on a port of loopback before the socket of a Redis."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(65_536):
                writer.write(part)
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, to_redis), copy(from_redis, writer))

    listening = await asyncio.start_server(forward, "127.0.0.1", port, ssl=context)
    try:
        yield
    finally:
        listening.close()


def _program_with_tls() -> Path | None:
    for name in ("valkey-server", "redis-server"):
        program = shutil.which(name)
        if program and b"Failed finding TLS support" not in _said_of_tls(program):
            return Path(program)
    return None


def _said_of_tls(program: str) -> bytes:
    """What it says when it is started with a certificate that does not exist: it ends at once."""
    words = [program, "--port", "0", "--tls-port", "1", "--tls-cert-file", os.devnull]
    return subprocess.run(words, capture_output=True, timeout=10).stdout


@contextmanager
def _running(program: Path, folder: str, settings: dict[str, str]) -> Iterator[None]:
    chosen = VALKEY_SETTINGS | {
        "dir": folder,
        **{name.replace("_", "-"): value for name, value in settings.items()},
    }
    words = [part for name, value in chosen.items() for part in (f"--{name}", value)]
    process = subprocess.Popen(
        [program, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with(os.getpid(), signal.SIGKILL),
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _until_it_answers(client: aioredis.Redis) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await client.ping()
            except (OSError, aioredis.RedisError):
                await asyncio.sleep(0.02)
            else:
                return
