"""The commands of the status socket, one row each: what an operator may read and change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from server.core.payments import PaymentState
from server.ops.socket.arguments import no_arguments
from server.ops.socket.commands import LEVELS, MOST_MAX, SECONDS_MAX, Commands
from server.ops.socket.lookups import SORTS
from server.ops.socket.old_names import RENAMED_COMMANDS, RENAMED_KEYS, add_old_keys
from server.ops.socket.payment_commands import CONCLUDE, PaymentCommands
from server.ops.socket.status_socket import Answer, Command


def command_table(do: Commands, payments: PaymentCommands, books: Mapping[str, Command]) -> dict[str, Command]:
    """The commands by name. `books`: those about statements, breaks and corrections."""
    commands = {**_reads(do), **_changes(do), **_payment_changes(payments), **books}
    commands |= {name: _with_old_keys(name, commands[name]) for name in {key.command for key in RENAMED_KEYS}}
    commands |= {old: _renamed(old, new, commands[new]) for old, new in RENAMED_COMMANDS.items()}

    async def show_help(words: list[str]) -> Answer:
        no_arguments(words)
        return {
            "commands": [
                {"command": f"{name} {row.arguments}".strip(), "role": row.role, "help": row.help}
                for name, row in sorted(commands.items())
            ],
            "renamed_keys": [
                {"command": key.command, "old": f"{key.parent}.{key.old}".strip("."), "new": key.new}
                for key in RENAMED_KEYS
            ],
        }

    commands["help"] = Command("read", "", "this table", show_help)
    return commands


def _reads(do: Commands) -> dict[str, Command]:
    """The commands that change nothing."""
    return {
        "status": Command("read", "", "the state of the server at a glance", do.status),
        "rates": Command("read", f"[--seconds 1…{SECONDS_MAX}]", "rates over the last seconds", do.rates),
        "connections": Command(
            "read",
            f"[--sort {'|'.join(SORTS)}] [--most 1…{MOST_MAX}]",
            "connections: unread bytes, idle time, requests",
            do.connections,
        ),
        "packet": Command("read", "ID", "a packet in PostgreSQL, in memory and in the mirror", do.packet),
        "user": Command("read", "ID", "a user's money, chats and connections", do.user),
        "group": Command("read", "ID", "a group and the number of its members online", do.group),
        "groups": Command("read", f"[--most 1…{MOST_MAX}]", "the newest groups", do.groups),
        "payments": Command(
            "read",
            f"[--user ID] [--state {'|'.join(PaymentState)}] [--most 1…{MOST_MAX}]",
            "the newest payments",
            do.payments,
        ),
        "payment": Command("read", "NUMBER", "a payment with all evidence about it", do.payment),
        "stores": Command("read", "", "whether both stores respond, and how fast", do.stores),
        "settlement": Command("read", "", "claims that wait to be credited", do.settlement),
        "refunds": Command("read", "", "refunds since the start, and packets due for a refund", do.refunds),
        "audit": Command(
            "read",
            "[--again]",
            "the last audit, and why a later one failed; starts an audit if there was none",
            do.audit,
        ),
    }


def _changes(do: Commands) -> dict[str, Command]:
    """The commands that change something."""
    return {
        "log-level": Command("change", "|".join(LEVELS), "set the log level until the next reload", do.log_level),
        "disconnect": Command(
            "change", "USER", "close a user's connections; the client may reconnect", do.disconnect
        ),
        "drain": Command("change", "", "finish the requests in progress, close all connections, stop", do.drain),
        "reload": Command("change", "", "read the config, keys and certificates again", do.reload),
    }


def _payment_changes(do: PaymentCommands) -> dict[str, Command]:
    """The commands that change payments."""
    return {
        "conclude": Command(
            "change",
            CONCLUDE,
            "a payment by hand: it was made, or never will be; at a bank: have its number closed",
            do.conclude,
        )
    }


def _with_old_keys(name: str, command: Command) -> Command:
    return command._replace(run=partial(_run_with_old_keys, name, command))


async def _run_with_old_keys(name: str, command: Command, words: list[str]) -> Answer:
    answer = {**await command.run(words)}
    add_old_keys(name, answer)
    return answer


def _renamed(old: str, new: str, command: Command) -> Command:
    text = f"the old name of {new}; the next version does not know it"
    return command._replace(help=text, run=partial(_run_renamed, old, new, command))


async def _run_renamed(old: str, new: str, command: Command, words: list[str]) -> Answer:
    return {**await command.run(words), "deprecated": f"{old} is now called {new}"}
