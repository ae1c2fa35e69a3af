"""Several commands to one node in one go, on request with the confirmation that a replica has them on its disk.

A confirmation is WAIT and then WAITAOF behind the commands: WAIT has the replicas answer at once, WAITAOF alone
would wait for their report of the next second. Both count the writes of this connection only, so each pipeline with
a confirmation begins with a write: what it reads is then confirmed as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from redis import asyncio as aioredis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from storage.errors import StoreUnavailable, unavailable
from storage.redis.engine import PROBE_KEY, PROBE_MS, Operation

SCRIPTS: Final = {
    name: Path(__file__).with_name(f"{name}.lua").read_text() for name in ("append", "close", "forget", "probe")
}
SHAS: Final = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}
REPLICAS_MIN: Final = 1  # that must have a write on their disks
GAVE_UP: Final = (RedisError, OSError, TimeoutError, RuntimeError)  # RuntimeError: uvloop, of a closed socket


class NodeCommand(NamedTuple):
    """A command with its words. `script`: the one that it runs, if any. `asking`: the slot is just moving here."""

    words: tuple[str | bytes | int, ...]
    script: str = ""
    asking: bool = False


class Confirmation(NamedTuple):
    """`tag`: of a slot of the node; empty: it is no cluster. `wait_ms`: for each of WAIT and WAITAOF."""

    tag: str
    wait_ms: int


def command_of(
    operation: Operation, keys: Sequence[str], numbers: Sequence[int], asking: bool = False
) -> NodeCommand:
    """An operation as a command on the packets with these numbers in it; `keys` are theirs."""
    each = [word for number in numbers for word in operation.each[number]] if operation.each else ()
    words = (*keys, *each, *operation.for_all)
    if operation.name not in SHAS:
        return NodeCommand((operation.name, *words), asking=asking)
    return NodeCommand(("EVALSHA", SHAS[operation.name], len(keys), *words), operation.name, asking)


def probe_key(tag: str) -> str:
    """The key that is written to find out whether a node takes writes."""
    return f"{PROBE_KEY}:{{{tag}}}" if tag else PROBE_KEY


async def send(
    redis: aioredis.Redis, commands: Sequence[NodeCommand], confirmation: Confirmation | None, url: str
) -> list[Any]:
    """The replies, each of which may be an error. A reply that no replica has confirmed is StoreUnavailable.

    Scripts that the node lacks are loaded: it was restarted, or was a replica until now. Raises errors of the
    library.
    """
    replies = await _send_once(redis, commands, confirmation, url)
    missing = [number for number, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if missing:  # nothing of these ran
        for script in dict.fromkeys(commands[number].script for number in missing):
            await redis.script_load(SCRIPTS[script])
        again = await _send_once(redis, [commands[number] for number in missing], confirmation, url)
        for number, reply in zip(missing, again, strict=True):
            replies[number] = reply
    return replies


async def _send_once(
    redis: aioredis.Redis, commands: Sequence[NodeCommand], confirmation: Confirmation | None, url: str
) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        if confirmation:
            pipeline.execute_command("SET", probe_key(confirmation.tag), "1", "PX", PROBE_MS)
        for command in commands:
            if command.asking:
                pipeline.execute_command("ASKING")
            pipeline.execute_command(*command.words)
        if confirmation:
            pipeline.execute_command("WAIT", REPLICAS_MIN, confirmation.wait_ms)
            pipeline.execute_command("WAITAOF", 1, REPLICAS_MIN, confirmation.wait_ms)
        got = list(await pipeline.execute(raise_on_error=False))
    doubt = None
    if confirmation:
        wrote, *got, waited, synced = got
        doubt = _doubt(wrote, waited, synced, url)
    rest = iter(got)
    replies = [next(rest) if not command.asking else (next(rest), next(rest))[1] for command in commands]
    return [doubt if doubt and not isinstance(reply, Exception) else reply for reply in replies]


def _doubt(wrote: Any, waited: Any, synced: Any, url: str) -> StoreUnavailable | None:
    """Why a replica may lack what was written; None: it has it on its disk, as this node has."""
    for reply in (wrote, waited, synced):
        if isinstance(reply, Exception):
            return in_our_words(reply, url)
    if waited >= REPLICAS_MIN and synced[0] >= 1 and synced[1] >= REPLICAS_MIN:
        return None
    return unavailable("Redis", ResponseError("no replica has confirmed a write in time"), url)


def in_our_words(error: BaseException, url: str) -> StoreUnavailable:
    """An error of the library as ours, without the place in our script."""
    shown = ResponseError(str(error).partition(" script: ")[0]) if isinstance(error, ResponseError) else error
    return unavailable("Redis", shown, url)
