"""What a worker tells its supervisor, as lines of JSON on its standard output."""

from __future__ import annotations

import msgspec

from server.ops.samples.sample import Sample


class WorkerServes(msgspec.Struct, frozen=True, tag="serves"):
    """It accepts connections, at these urls; an empty one: it does not listen there."""

    url: str
    websocket: str
    http_api: str


class WorkerFailed(msgspec.Struct, frozen=True, tag="failed"):
    """It ends because of this. `passes`: the cause may pass by itself, such as a store that is away."""

    why: str
    passes: bool


class WorkerCounted(msgspec.Struct, frozen=True, tag="counted"):
    """It ends as it was told to; its counters count no more."""

    last: Sample


WorkerMessage = WorkerServes | WorkerFailed | WorkerCounted


def message_in(line: bytes) -> WorkerMessage:
    """The message in a line. Raises msgspec.MsgspecError."""
    message: WorkerMessage = msgspec.json.decode(line, type=WorkerMessage)
    return message
