"""The command `hongbao`: the table of its commands, and what it prints and returns when one fails.

Exit codes: 0 done, 1 it failed or a check does not hold, 2 the command line is wrong.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Final, NamedTuple

import cyclopts

from server.cli.shared.extras import missing_extra
from server.cli.shared.streams import adapt_streams, in_utf8
from server.version import version

GENERAL_OPTIONS: Final = ("--help", "-h", "--version")
ABOUT: Final = "A red-packet (红包) backend: run it, connect to it, measure it, audit it."


class CommandRow(NamedTuple):
    """One row of COMMANDS."""

    name: str
    target: str  # "module:object", imported when the command is called
    summary: str  # its line in `hongbao --help`: the first line of the docstring of its target
    is_shown: bool = True


COMMANDS: Final = (
    CommandRow(
        "serve",
        "server.cli.serve:serve",
        "Run the server until it is stopped (Ctrl-C or SIGTERM; a second one stops it at once).",
    ),
    CommandRow("config", "server.cli.config:config_cli", "Show and check the config."),
    CommandRow(
        "token", "server.cli.backend:token", "Print a login token for a user, as your chat backend would make it."
    ),
    CommandRow("key", "server.cli.key:key_cli", "Show the keys of login tokens or of the HTTP API, or make one."),
    CommandRow("webhooks", "server.cli.webhooks:webhooks_cli", "Make and test webhooks, and deliver events again."),
    CommandRow("seeds", "server.cli.seeds:seeds_cli", "Begin fresh seeds after a restore, or change their key."),
    CommandRow(
        "topup",
        "server.cli.backend:topup",
        "Credit money from outside to a user's wallet and print the new balance in fen.",
    ),
    CommandRow(
        "withdraw",
        "server.cli.backend:withdraw",
        "Debit a user's wallet, money to the outside, and print the new balance in fen.",
    ),
    CommandRow(
        "ban",
        "server.cli.backend:ban",
        "Ban a user: end their connections and refuse their logins, on all servers, until `hongbao unban`.",
    ),
    CommandRow("unban", "server.cli.backend:unban", "Lift the ban of a user: their logins are accepted again."),
    CommandRow(
        "revoke",
        "server.cli.backend:revoke",
        "Revoke all tokens of a user that were issued until now, and end their connections.",
    ),
    CommandRow(
        "audit",
        "server.cli.audit:audit",
        "Prove from the records alone that every fen is accounted for; exit 1 and name each discrepancy.",
    ),
    CommandRow(
        "backup",
        "server.cli.backup:backup",
        "Write the books to a file, and with --keys the keys to another folder; also while a server runs.",
    ),
    CommandRow(
        "restore",
        "server.cli.backup:restore",
        "Restore the books from a file of `hongbao backup` into an empty database, begin fresh seeds, and audit.",
    ),
    CommandRow(
        "verify",
        "server.cli.audit:verify",
        "Recompute every amount of a packet from its revealed seed; exit 1 if one differs.",
    ),
    CommandRow("status", "server.cli.operators:status", "Show the state of a running server."),
    CommandRow(
        "connections",
        "server.cli.operators:connections",
        "List the connections with the most unread bytes, the longest silence or the most requests.",
    ),
    CommandRow("packet", "server.cli.operators:packet", "Show a packet in record, memory and mirror."),
    CommandRow("user", "server.cli.operators:user", "Show a user's balance, groups and connections."),
    CommandRow(
        "group", "server.cli.group:group_cli", "Show groups, and make and change them as a chat backend does."
    ),
    CommandRow("payments", "server.cli.payments:payments_cli", "List the newest payments, or export them."),
    CommandRow("payment", "server.cli.operators:payment", "Show a payment with all evidence about it."),
    CommandRow(
        "reconcile",
        "server.cli.reconciliation:reconcile",
        "Import statements of a bank and match them with our payments; exit 1 if one is refused or a row differs.",
    ),
    CommandRow("breaks", "server.cli.reconciliation:breaks_cli", "List differences from a bank, own, close them."),
    CommandRow("correct", "server.cli.reconciliation:correct_cli", "Propose and approve corrections of a break."),
    CommandRow("stores", "server.cli.operators:stores", "Check that both stores respond, and show how fast."),
    CommandRow(
        "settlement",
        "server.cli.operators:settlement",
        "Show what was credited to wallets and what is still queued.",
    ),
    CommandRow("refunds", "server.cli.operators:refunds", "Show what was refunded and what is due."),
    CommandRow(
        "disconnect",
        "server.cli.operators:disconnect",
        "Disconnect a user: close all their connections; the clients may reconnect at once.",
    ),
    CommandRow(
        "kick",
        "server.cli.operators:kick",
        "The old name of `disconnect`; it works for one version more.",
        is_shown=False,
    ),
    CommandRow(
        "drain",
        "server.cli.operators:drain",
        "Stop the server after the requests in flight are answered, like SIGTERM.",
    ),
    CommandRow(
        "reload",
        "server.cli.operators:reload",
        "Reload config, keys and certificates, like SIGHUP; exit 1 if one of them is invalid.",
    ),
    CommandRow(
        "log-level", "server.cli.operators:log_level", "Change the log level until the next reload or restart."
    ),
    CommandRow(
        "top",
        "server.cli.top:top",
        "Watch a running server: rates, latencies, slow readers, hot packets, every second (h: help, q: quit).",
    ),
    CommandRow(
        "chat",
        "server.cli.chat:chat",
        "Chat, send and open red packets in a terminal (/help lists the commands there).",
    ),
    CommandRow(
        "sim", "server.cli.sim:sim", "Run simulated users against a running server; exit 1 if a check fails."
    ),
    CommandRow(
        "demo",
        "server.cli.demo:demo",
        "Run a server with simulated users for a while, then verify a packet and audit; exit 1 if a check fails.",
    ),
    CommandRow(
        "bench",
        "bench.cli:bench_cli",
        "Measure a server under load, then check the records; exit 1 if they contradict the replies.",
    ),
    CommandRow(
        "chaos",
        "bench.chaos.cli:chaos_cli",
        "Kill, freeze and cut off the server and its stores under load; exit 1 if a fen is missing.",
    ),
    CommandRow(
        "completion",
        "server.cli.completion:completion",
        "Print a script that completes commands and options in your shell.",
    ),
    CommandRow(
        "screenshots",
        "server.cli.chat:screenshots",
        "Draw the pictures of the terminal client for the docs, from a scene on a private server.",
        is_shown=False,
    ),
)

# Errors whose message is for the user, as strings: an error is known here only if its module has been imported.
EXPECTED: Final = (
    "builtins:ValueError",
    "builtins:OSError",
    "server.cli.shared.resources:CommandFailed",
    "server.config:ConfigError",
    "server.embedded:EmbeddedError",
    "server.instance:DataFolderInUse",
    "server.instance:NoAnswer",
    "server.process:ServerFailed",
    "server.services.seeds.seals:SeedsSealed",
    "storage.errors:StoreRefused",
    "storage.errors:StoreUnavailable",
    "client_sim.sdk.errors:ClientError",
    "bench.load.generator_pool:BenchFailed",
)

# What to do about an error, if its message does not say so.
ADVICE: Final = {
    "storage.errors:StoreUnavailable": "; does it run, and is its address right (--postgres, --redis, --config)?",
    "client_sim.sdk.errors:ConnectionLost": "; does a server run there, and is the address right (--url, --data)?",
}

# Those of them that say that the command line is wrong.
WRONG_OPTIONS: Final = ("server.cli.shared.resources:WrongOptions", "server.config:WrongOption")


def commands(called: Collection[str], absent: Collection[str] = ()) -> cyclopts.App:
    """The command line. Only a command that is `called` is imported; it has its docstring for `--help`.

    Those that are `absent` have a name and a summary: their module cannot be imported.
    """
    app = cyclopts.App(
        name="hongbao",
        version=version,
        help=ABOUT,
        help_flags=GENERAL_OPTIONS[:2],
        version_flags=GENERAL_OPTIONS[2:],
        result_action="return_value",
    )
    for name, target, summary, is_shown in COMMANDS:
        help_text = None if name in called and name not in absent else summary
        app.command(_absent if name in absent else target, name=name, help=help_text, show=is_shown)
    return app


def _absent() -> None:
    """Stand for a command whose options are not known."""


def is_absent(row: CommandRow) -> bool:
    """Whether a command needs a package of an extra that is not installed. Raises ImportError for other causes."""
    try:
        import_module(row.target.partition(":")[0])
    except ImportError as error:
        missing_extra(error)
        return True
    return False


def main(words: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    words = [in_utf8(word) for word in sys.argv[1:]] if words is None else words
    adapt_streams()
    try:
        _check_command(words)
        code = commands(words)(words, exit_on_error=False, print_error=False)
        sys.exit(code if isinstance(code, int) else 0)
    except cyclopts.CycloptsError as error:
        _exit(2, f"{one_line(error)} (see --help)")
    except KeyboardInterrupt:
        sys.exit(130)
    except asyncio.CancelledError:
        sys.exit(1)
    except ImportError as error:
        _exit(1, missing_extra(error))
    except BaseException as error:
        known = tuple(_loaded(EXPECTED))
        if isinstance(error, known) or (isinstance(error, BaseExceptionGroup) and error.subgroup(known)):
            _exit(2 if isinstance(error, tuple(_loaded(WRONG_OPTIONS))) else 1, one_line(error))
        raise


def _exit(code: int, message: str) -> None:
    print(f"hongbao: {message}", file=sys.stderr)
    sys.exit(code)


def _check_command(words: list[str]) -> None:
    """Refuse an unknown command here: cyclopts would import all commands to find a similar one."""
    names = [command.name for command in COMMANDS]
    if words and words[0] not in (*names, *GENERAL_OPTIONS):
        close = get_close_matches(words[0], names, n=1)
        _exit(2, f'unknown command "{words[0]}"{f", did you mean {close[0]}?" if close else ""} (see --help)')


def _loaded(paths: Collection[str]) -> Iterator[type[BaseException]]:
    """Those of these errors whose module has been imported: no other one can have been raised."""
    for path in paths:
        module, _, name = path.partition(":")
        if module in sys.modules:
            yield getattr(import_module(module), name)


def one_line(error: BaseException) -> str:
    """An error, or the first of a group of them, without line breaks and numbers of errors, and what to do."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.filename:
        words = f"{error.filename}: {error.strerror.lower()}"
        words += "; run the command as the user of the files" if isinstance(error, PermissionError) else ""
    advice = (text for path, text in ADVICE.items() if isinstance(error, tuple(_loaded([path]))))
    return f"{words}{next(advice, '')}"
