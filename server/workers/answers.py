"""How the answers of several workers to one command become one. Pure: answers by the number of the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import nlargest
from typing import Any, Final, TypeAlias, get_args

from server.ops.samples.sample import Sort

Facts: TypeAlias = dict[str, Any]
Answers: TypeAlias = Mapping[int, Facts]  # of the workers that answered without an error, at least one
Merge: TypeAlias = Callable[[list[str], Answers], Facts]  # (words of the command, answers)

ORDERS: Final[dict[Sort, Callable[[Facts], float]]] = {
    "pending": lambda row: row["pending_bytes"],
    "idle": lambda row: row["idle_s"],
    "requests": lambda row: row["requests"],
}
assert set(ORDERS) == set(get_args(Sort))


def connections(words: list[str], answers: Answers) -> Facts:
    """The first connections of all, each with its worker: their numbers are those of one worker."""
    options = dict(zip(words[::2], words[1::2], strict=False))
    order = next(ORDERS[sort] for sort in ORDERS if sort == options.get("--sort", "pending"))
    rows = _rows(answers)
    return {
        "connections": nlargest(int(options.get("--most", "20")), rows, key=order),
        "total": sum(answer["total"] for answer in answers.values()),
    }


def user(_: list[str], answers: Answers) -> Facts:
    """The records once, and the connections to all workers."""
    return {**_first(answers), "connections": _rows(answers)}


def packet(_: list[str], answers: Answers) -> Facts:
    """The records once, and the memory of the worker that knows most of it."""
    memories = [answer["memory"] for answer in answers.values() if answer["memory"] is not None]
    return {**_first(answers), "memory": max(memories, key=lambda one: one["claims"] or 0, default=None)}


def group(_: list[str], answers: Answers) -> Facts:
    """Members online, at any worker: one with connections to two workers counts twice."""
    return {**_first(answers), "online": sum(answer["online"] for answer in answers.values())}


def settlement(_: list[str], answers: Answers) -> Facts:
    """What each worker has done since its start, and the queue, which is that of the database."""
    one = _first(answers)
    posted = sum(answer["outbox"]["posted"] for answer in answers.values())
    done = {name: sum(answer[name] for answer in answers.values()) for name in ("settled", "in_flight")}
    return {**one, **done, "outbox": {**one["outbox"], "posted": posted}}


def refunds(_: list[str], answers: Answers) -> Facts:
    """What each worker has done since its start, and what is due, which is that of the database."""
    done = ("refunded_packets", "refunded_fen")
    return {**_first(answers), **{name: sum(answer[name] for answer in answers.values()) for name in done}}


def disconnect(_: list[str], answers: Answers) -> Facts:
    """How many connections were closed."""
    return {"closed": sum(answer["closed"] for answer in answers.values())}


def log_level(_: list[str], answers: Answers) -> Facts:
    """The level, which is that of all workers now."""
    return _first(answers)


MERGES: Final[dict[str, Merge]] = {
    "connections": connections,
    "packet": packet,
    "user": user,
    "group": group,
    "settlement": settlement,
    "refunds": refunds,
    "disconnect": disconnect,
    "log-level": log_level,
}


def _first(answers: Answers) -> Facts:
    return answers[min(answers)]


def _rows(answers: Answers) -> list[Facts]:
    """The connections of all workers."""
    return [
        {"worker": number, **row} for number, answer in sorted(answers.items()) for row in answer["connections"]
    ]
