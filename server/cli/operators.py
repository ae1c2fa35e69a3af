"""`hongbao status` and its like: what an operator asks a running server, as tables for people or as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import cyclopts
from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.sdk.names import user_id_of
from server.cli.config import DATA, ConfigOption, DataOption
from server.cli.numbers import Count, Id
from server.instance import NoAnswer, nobody_at, status_socket
from server.ops.humanize import humanize, title, within
from server.ops.samples.sample import Sort
from server.ops.socket.status_socket import ask

ANSWER_S: Final = 5.0  # the server itself gives a command two
Level = Literal["debug", "info", "warning", "error"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where:
    """Which server, and how its answer is shown."""

    data: DataOption = DATA
    config: ConfigOption = None
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="the answer as JSON")] = False


HERE: Final = Where()
ops_cli = cyclopts.App(name="ops", result_action="return_value")


def _ask(where: Where, *words: object) -> dict[str, Any]:
    """What the server answers. Raises NoAnswer."""
    path = status_socket(where.data, where.config)
    try:
        answer = asyncio.run(ask(path, " ".join(map(str, words)), ANSWER_S))
    except TimeoutError:
        raise NoAnswer(f"the server at {path} does not answer") from None
    except (OSError, ValueError) as error:
        why = "" if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) else f" ({error})"
        raise NoAnswer(nobody_at(path, where.data, why)) from None
    if "error" in answer:
        raise NoAnswer(str(answer["error"]))
    return answer


def _show(where: Where, *words: object) -> int:
    answer = _ask(where, *words)
    if where.as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print_answer(Console(), answer)
    return 0


@ops_cli.command
def status(
    *,
    healthy: Annotated[
        bool, Parameter(negative=(), help="say nothing if traffic may come; else exit 1 and say why")
    ] = False,
    where: Where = HERE,
) -> int:
    """Show a running server at a glance.

    Example: hongbao status --healthy || echo "do not send anybody there"
    """
    if not healthy:
        return _show(where, "status")
    answer = _ask(where, "status")
    if not answer["ready"]:
        raise NoAnswer("; ".join(answer["reasons"]))
    return 0


@ops_cli.command
def connections(*, sort: Sort = "pending", most: Count = 20, where: Where = HERE) -> int:
    """List the connections that stand out.

    Example: hongbao connections --sort idle --most 50

    Parameters
    ----------
    sort
        by what they have not read yet (pending), by silence (idle) or by requests
    most
        how many
    """
    return _show(where, "connections", "--sort", sort, "--most", most)


@ops_cli.command
def packet(packet_id: Id, /, *, where: Where = HERE) -> int:
    """Show a packet in the record, in memory and in the mirror.

    Example: hongbao packet 251234567890123456
    """
    return _show(where, "packet", packet_id)


@ops_cli.command
def user(user: str, /, *, where: Where = HERE) -> int:
    """Show a user's balance, groups and connections.

    Example: hongbao user 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _show(where, "user", user_id_of(user))


@ops_cli.command
def group(group_id: Id, /, *, where: Where = HERE) -> int:
    """Show a group, and how many of its members are online.

    Example: hongbao group 251234567890123456
    """
    return _show(where, "group", group_id)


@ops_cli.command
def stores(*, where: Where = HERE) -> int:
    """Ask both stores for a sign of life, and show how fast it came."""
    return _show(where, "stores")


@ops_cli.command
def settlement(*, where: Where = HERE) -> int:
    """Show what was credited, and what waits for it."""
    return _show(where, "settlement")


@ops_cli.command
def refunds(*, where: Where = HERE) -> int:
    """Show what was paid back, and what is due."""
    return _show(where, "refunds")


@ops_cli.command
def kick(user: str, /, *, where: Where = HERE) -> int:
    """Close a user's connections; their clients may come back at once.

    Example: hongbao kick 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _show(where, "kick", user_id_of(user))


@ops_cli.command
def drain(*, where: Where = HERE) -> int:
    """Let the server finish what was begun, say goodbye and end, as TERM does."""
    return _show(where, "drain")


@ops_cli.command(name="reload")
def reload_config(*, where: Where = HERE) -> int:
    """Let the server read its config, keys and certificates again, as HUP does; exit 1 if there is a fault."""
    return _show(where, "reload")


@ops_cli.command
def log_level(level: Level, /, *, where: Where = HERE) -> int:
    """Change what the server logs, until it reloads or ends.

    Example: hongbao log-level debug
    """
    return _show(where, "log-level", level)


# --- for people -----------------------------------------------------------------------------------------------


def print_answer(console: Console, answer: Mapping[str, Any]) -> None:
    """An answer of the status socket: names and values, then its lists as tables."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    for label, words in _lines(answer):
        facts.add_row(label, Text(words))
    if facts.row_count:
        console.print(facts)
    for name, rows in answer.items():
        if _is_table(rows):
            console.print(_table(name, rows))


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _lines(answer: Mapping[str, Any], indent: str = "") -> Iterator[tuple[Text, str]]:
    for name, value in answer.items():
        if isinstance(value, dict) and value:
            yield Text(indent + title(name), style="bold"), ""
            yield from _lines({within(name, part): inner for part, inner in value.items()}, indent + "  ")
        elif not _is_table(value):
            yield Text(indent + title(name)), humanize(name, value)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title(name), title_justify="left")
    for column in rows[0]:
        table.add_column(title(column), justify="right" if isinstance(rows[0][column], (int, float)) else "left")
    for row in rows:
        table.add_row(*(Text(humanize(column, row[column])) for column in rows[0]))
    return table
