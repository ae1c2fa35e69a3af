"""The answers of a running server's status socket, as tables or as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from protocol.money_unit import YUAN, MoneyUnit
from server.cli.shared.options import DATA, ConfigOption, DataOption
from server.cli.shared.streams import console as output
from server.cli.shared.streams import print_whole
from server.instance import NoAnswer, no_answer_at, no_permission, status_socket
from server.ops.humanize import FEN, humanize, title, with_unit_of
from server.ops.socket.old_names import remove_old_keys
from server.ops.socket.status_socket import ask

UNIT: Final = "money_unit"  # in the answer of `status`
ANSWER_S: Final = 5.0  # the server itself allows a command two


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The server to ask, and the form of its answer."""

    data: DataOption = DATA
    config: ConfigOption = None
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="print the answer as JSON")] = False


DEFAULT: Final = ServerOptions()


def ask_server(server: ServerOptions, *words: object) -> dict[str, Any]:
    """The answer of the server. Raises NoAnswer."""
    path = status_socket(server.data, server.config)
    try:
        answer = asyncio.run(ask(path, " ".join(map(str, words)), ANSWER_S))
    except TimeoutError:
        raise NoAnswer(f"the server at {path} does not answer") from None
    except PermissionError:
        raise NoAnswer(no_permission(path)) from None
    except (OSError, ValueError) as error:
        why = "" if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) else f" ({error})"
        raise NoAnswer(no_answer_at(path, server.data, why)) from None
    if "error" in answer:
        raise NoAnswer(str(answer["error"]))
    return answer


def show_answer(server: ServerOptions, *words: object) -> int:
    """Ask and print. Raises NoAnswer."""
    answer = ask_server(server, *words)
    if not server.as_json:
        remove_old_keys(str(words[0]), answer)
    show(server, answer)
    return 0


def show(server: ServerOptions, answer: dict[str, Any]) -> None:
    """Print an answer as a command was asked to. Raises NoAnswer."""
    if server.as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print_answer(output(), answer, _unit_of(server, answer))


def _has_amount(value: object) -> bool:
    if isinstance(value, dict):
        return any(name.endswith(FEN) or _has_amount(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(_has_amount, value))


def _unit_of(server: ServerOptions, answer: dict[str, Any]) -> MoneyUnit:
    """The unit of the server, which `status` tells; it is taken out of the answer. An older server means yuan."""
    if UNIT not in answer and _has_amount(answer):
        answer = ask_server(server, "status")
    unit = answer.pop(UNIT, None)
    return YUAN if unit is None else MoneyUnit(**unit)


def print_answer(console: Console, answer: Mapping[str, Any], money: MoneyUnit | None = None) -> None:
    """Print an answer of the status socket: names and values, then its lists as tables. Amounts need `money`."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    for label, words in _lines(answer, money):
        facts.add_row(label, Text(words))
    if facts.row_count:
        print_whole(console, facts)
    for name, rows in answer.items():
        if _is_table(rows):
            print_whole(console, _table(name, rows, money))


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _lines(answer: Mapping[str, Any], money: MoneyUnit | None, indent: str = "") -> Iterator[tuple[Text, str]]:
    for name, value in answer.items():
        if isinstance(value, dict) and value:
            yield Text(indent + title(name), style="bold"), ""
            parts = {with_unit_of(name, part): inner for part, inner in value.items()}
            yield from _lines(parts, money, indent + "  ")
        elif not _is_table(value):
            yield Text(indent + title(name)), humanize(name, value, money)


def _table(name: str, rows: Sequence[Mapping[str, Any]], money: MoneyUnit | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title(name), title_justify="left")
    for column in rows[0]:
        table.add_column(title(column), justify="right" if isinstance(rows[0][column], (int, float)) else "left")
    for row in rows:
        table.add_row(*(Text(humanize(column, row[column], money)) for column in rows[0]))
    return table
