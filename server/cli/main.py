"""The command `hongbao`: its commands, loaded when called, and what it prints and returns when one fails.

Exit codes: 0 done, 1 it failed or a check does not hold, 2 the command line is wrong.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Final

import cyclopts

from server.cli.shared.command_table import COMMANDS, CommandRow
from server.cli.shared.extras import missing_extra
from server.cli.shared.streams import adapt_streams, in_utf8
from server.compiled import finder
from server.version import version

GENERAL_OPTIONS: Final = ("--help", "-h", "--version")
ABOUT: Final = "A red-packet (红包) backend: run it, connect to it, measure it, audit it."

# Errors whose message is for the user, as strings: an error is known here only if its module has been imported.
EXPECTED: Final = (
    "builtins:ValueError",
    "builtins:OSError",
    "server.cli.shared.resources:CommandFailed",
    "server.compiled.finder:CompiledMissing",
    "server.config:ConfigError",
    "server.embedded:EmbeddedError",
    "server.instance:DataFolderInUse",
    "server.instance:NoAnswer",
    "server.process:ServerFailed",
    "server.services.seeds.seals:SeedsSealed",
    "server.workers.worker:WorkerNotStarted",
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
        version=lambda: f"{version()} ({finder.state()})",
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
