"""The table of commands that a status socket answers: their texts, their functions, old names and the help."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from server.ops.socket.arguments import no_arguments
from server.ops.socket.command_texts import TEXTS
from server.ops.socket.old_names import RENAMED_COMMANDS, RENAMED_KEYS, add_old_keys
from server.ops.socket.status_socket import Answer, Command, CommandText, Run


def command_table(
    runs: Mapping[str, Run], more_texts: Mapping[str, CommandText] | None = None
) -> dict[str, Command]:
    """The commands by name. `runs` has a function for each row of TEXTS and of `more_texts`, and no other."""
    texts = {**TEXTS, **(more_texts or {})}
    commands = {name: Command(*texts[name], run) for name, run in runs.items()}
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
