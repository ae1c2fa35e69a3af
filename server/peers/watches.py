"""Which connections here follow packets that other servers own, and how far they have been told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from protocol import messages

_REPLY: Final = msgspec.msgpack.Decoder(messages.ResultPageShown)
_UPDATE: Final = msgspec.msgpack.Decoder(messages.ResultUpdate)
_UPDATE_BEGINS: Final = messages.encode(messages.ResultUpdate(0, 0, 0, [], ""))[:2]


class Watch(NamedTuple):
    """A packet that a connection follows at its owner. `told`: how many of its claims the connection knows."""

    server_id: int
    language: str
    told: int


class Watches:
    """What must be moved when a packet gets another owner."""

    def __init__(self) -> None:
        self._watches: dict[int, dict[int, Watch]] = {}  # by connection and packet

    def asked(self, number: int, request: Any) -> None:
        """A request goes to the owner. One that follows a packet counts when its reply has come."""
        if type(request) is messages.StopWatching:
            self.drop(number, request.packet_id)

    def replied(self, number: int, request: Any, reply: bytes, server_id: int) -> None:
        """The owner has answered."""
        if type(request) is not messages.ResultPage or not request.watch:
            return
        page, watches = _REPLY.decode(reply).page, self._watches.setdefault(number, {})
        if not page.watched:
            watches.pop(request.packet_id, None)
        elif request.before_index <= 0 or request.packet_id not in watches:
            watches[request.packet_id] = Watch(server_id, request.language, page.opened)

    def pushed(self, server_id: int, numbers: Sequence[int], push: bytes) -> Sequence[int]:
        """A server pushes to these connections; those of them that get it.

        New claims are left out that come late from a server which was the owner: the next one tells them, too.
        """
        if push[:2] != _UPDATE_BEGINS:
            return numbers
        update, told = _UPDATE.decode(push), list[int]()
        for number in numbers:
            watches = self._watches.get(number, {})
            watch = watches.get(update.packet_id)
            if watch is not None and watch.server_id == server_id:
                watches[update.packet_id] = watch._replace(told=update.opened)
                told.append(number)
        return told

    def gone(self, number: int) -> None:
        """A connection was lost."""
        self._watches.pop(number, None)

    def all(self) -> list[tuple[int, int, Watch]]:
        """Connection, packet, watch."""
        return [
            (number, packet_id, watch)
            for number, watches in self._watches.items()
            for packet_id, watch in watches.items()
        ]

    def move(self, number: int, packet_id: int, server_id: int) -> None:
        """It follows the packet at another server from now on."""
        watches = self._watches.setdefault(number, {})
        watches[packet_id] = watches[packet_id]._replace(server_id=server_id)

    def add(self, number: int, packet_id: int, watch: Watch) -> None:
        """It has followed the packet here, and does at its owner from now on."""
        self._watches.setdefault(number, {})[packet_id] = watch

    def drop(self, number: int, packet_id: int) -> None:
        """It follows the packet at no other server."""
        self._watches.get(number, {}).pop(packet_id, None)
