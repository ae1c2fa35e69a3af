"""The commands that ask a running server through its status socket; the answers as tables or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.sdk.names import user_id_of
from server.cli.numbers import Count, Id
from server.cli.options import DATA, ConfigOption, DataOption
from server.instance import NoAnswer, no_answer_at, status_socket
from server.ops.humanize import humanize, title, with_unit_of
from server.ops.samples.sample import Sort
from server.ops.socket.old_names import remove_old_keys
from server.ops.socket.status_socket import ask

ANSWER_S: Final = 5.0  # the server itself allows a command two
Level = Literal["debug", "info", "warning", "error"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The server to ask, and the form of its answer."""

    data: DataOption = DATA
    config: ConfigOption = None
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="print the answer as JSON")] = False


DEFAULT: Final = ServerOptions()


def _ask(server: ServerOptions, *words: object) -> dict[str, Any]:
    """The answer of the server. Raises NoAnswer."""
    path = status_socket(server.data, server.config)
    try:
        answer = asyncio.run(ask(path, " ".join(map(str, words)), ANSWER_S))
    except TimeoutError:
        raise NoAnswer(f"the server at {path} does not answer") from None
    except (OSError, ValueError) as error:
        why = "" if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) else f" ({error})"
        raise NoAnswer(no_answer_at(path, server.data, why)) from None
    if "error" in answer:
        raise NoAnswer(str(answer["error"]))
    return answer


def _show(server: ServerOptions, *words: object) -> int:
    answer = _ask(server, *words)
    if server.as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        remove_old_keys(str(words[0]), answer)
        print_answer(Console(), answer)
    return 0


def status(
    *,
    healthy: Annotated[
        bool,
        Parameter(negative=(), help="print nothing if the server is ready for traffic; else exit 1 and say why"),
    ] = False,
    server: ServerOptions = DEFAULT,
) -> int:
    """Show the state of a running server.

    Example: hongbao status --healthy || echo "take it out of the load balancer"
    """
    if not healthy:
        return _show(server, "status")
    answer = _ask(server, "status")
    if not answer["ready"]:
        raise NoAnswer("; ".join(answer["reasons"]))
    return 0


def connections(*, sort: Sort = "pending", most: Count = 20, server: ServerOptions = DEFAULT) -> int:
    """List the connections with the most unread bytes, the longest silence or the most requests.

    Example: hongbao connections --sort idle --most 50

    Parameters
    ----------
    sort
        by unread bytes (pending), by time since the last frame (idle), or by requests
    most
        length of the list
    """
    return _show(server, "connections", "--sort", sort, "--most", most)


def packet(packet_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a packet in the record, in memory and in the mirror.

    Example: hongbao packet 251234567890123456
    """
    return _show(server, "packet", packet_id)


def user(user: str, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a user's balance, groups and connections.

    Example: hongbao user 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _show(server, "user", user_id_of(user))


def group(group_id: Id, /, *, server: ServerOptions = DEFAULT) -> int:
    """Show a group and how many of its members are online.

    Example: hongbao group 251234567890123456
    """
    return _show(server, "group", group_id)


def stores(*, server: ServerOptions = DEFAULT) -> int:
    """Check that both stores respond, and show how fast."""
    return _show(server, "stores")


def settlement(*, server: ServerOptions = DEFAULT) -> int:
    """Show what was credited to wallets and what is still queued."""
    return _show(server, "settlement")


def refunds(*, server: ServerOptions = DEFAULT) -> int:
    """Show what was refunded and what is due."""
    return _show(server, "refunds")


def disconnect(user: str, /, *, server: ServerOptions = DEFAULT) -> int:
    """Disconnect a user: close all their connections; the clients may reconnect at once.

    Example: hongbao disconnect 1001

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    return _show(server, "disconnect", user_id_of(user))


def kick(user: str, /, *, server: ServerOptions = DEFAULT) -> int:
    """The old name of `disconnect`; it works for one version more.

    Parameters
    ----------
    user
        the user's id, or a name as in `hongbao chat --as NAME`
    """
    print("hongbao: kick is now called disconnect", file=sys.stderr)
    return disconnect(user, server=server)


def drain(*, server: ServerOptions = DEFAULT) -> int:
    """Stop the server after the requests in flight are answered, like SIGTERM."""
    return _show(server, "drain")


def reload(*, server: ServerOptions = DEFAULT) -> int:
    """Reload config, keys and certificates, like SIGHUP; exit 1 if one of them is invalid."""
    return _show(server, "reload")


def log_level(level: Level, /, *, server: ServerOptions = DEFAULT) -> int:
    """Change the log level of the server until its next reload or restart.

    Example: hongbao log-level debug
    """
    return _show(server, "log-level", level)


# --- tables ---------------------------------------------------------------------------------------------------


def print_answer(console: Console, answer: Mapping[str, Any]) -> None:
    """Print an answer of the status socket: names and values, then its lists as tables."""
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
            yield from _lines({with_unit_of(name, part): inner for part, inner in value.items()}, indent + "  ")
        elif not _is_table(value):
            yield Text(indent + title(name)), humanize(name, value)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title(name), title_justify="left")
    for column in rows[0]:
        table.add_column(title(column), justify="right" if isinstance(rows[0][column], (int, float)) else "left")
    for row in rows:
        table.add_row(*(Text(humanize(column, row[column])) for column in rows[0]))
    return table
