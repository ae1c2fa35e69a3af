"""Names of the status socket that have changed. For one version an answer has the old key beside the new one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class RenamedKey(NamedTuple):
    """A key in the answer of a command, inside the mapping `parent` of that answer (empty: at its top)."""

    command: str
    parent: str
    old: str
    new: str


RENAMED_KEYS: Final = (
    RenamedKey("status", "commit", "on_their_way", "in_flight"),
    RenamedKey("status", "commit", "undone", "rejected"),
    RenamedKey("settlement", "", "on_their_way", "in_flight"),
    RenamedKey("connections", "", "in_all", "total"),
    RenamedKey("packet", "memory", "being_read", "loading"),
    RenamedKey("packet", "memory", "undone", "rejected"),
    RenamedKey("user", "", "places", "chats"),
    RenamedKey("user", "", "places_in_all", "chats_total"),
)
RENAMED_COMMANDS: Final = {"kick": "disconnect"}


def add_old_keys(command: str, answer: dict[str, Any]) -> None:
    """Add each old key with the value of its new key."""
    for key in _keys_of(command):
        holder = answer.get(key.parent) if key.parent else answer
        if holder and key.new in holder:
            holder[key.old] = holder[key.new]


def remove_old_keys(command: str, answer: dict[str, Any]) -> None:
    """Remove the old keys, for output to people."""
    for key in _keys_of(command):
        holder = answer.get(key.parent) if key.parent else answer
        if holder:
            holder.pop(key.old, None)


def _keys_of(command: str) -> list[RenamedKey]:
    return [key for key in RENAMED_KEYS if key.command == command]
