"""A connection of a user, and what its client knows: where its streams are, and its balance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from protocol import codes, messages
from protocol.framing import FrameSplitter, frame
from server.peers.served import ForwardedReading, ForwardedTransport
from tests.sim.check import durable_claims
from tests.sim.plan import GROUP

if TYPE_CHECKING:
    from tests.sim.peers.side import PeersSide
    from tests.sim.server import SimServer

NONCE = bytes(16)
FRAME_BYTES_MAX = 1 << 20
NUMBERED = (
    messages.PacketPosted,
    messages.TextPosted,
    messages.ClaimsReminder,
    messages.FinishReminder,
    messages.RefundReminder,
)


class SimConnection:
    """A session without a socket: what it would write is read by its client at once."""

    def __init__(self, side: PeersSide, server: SimServer, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._side, self._server, self._services = side, server, server.services
        self.number, self.user_id, self.issued_at_s, self.features = number, -1, 0, ()
        self.unmetered = self.requests = 0
        self.frame = frame
        self.holds_pushes = False
        self._held: list[bytes] = []  # pushes before the welcome
        self.now_s = loop.time
        self.reading: Any = ForwardedReading()
        self.transport: Any = ForwardedTransport()
        self.connection = SimpleNamespace(nonce=NONCE, send=self.reply)
        self.is_welcome = False
        self.came: asyncio.Future[codes.Close | None] = loop.create_future()  # welcome, or why not
        self.numbers: dict[int, int] = {}  # of the last message of each stream
        self.balance_fen = self.balance_version = 0
        self.asked_pages: set[int] = set()
        self.followed: dict[int, int] = {}  # packets, and how many of their claims the client knows
        self.since_version = 0  # of the group, when the login began
        self.expected: dict[int, Callable[[messages.Message | None], None]] = {}  # replies by seq; None: lost

    # --- what a server does with a session --------------------------------------------------------------------

    def reply(self, message: messages.Message) -> int:
        """A reply of this server."""
        self._take(message)
        return 0

    def refuse(self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None) -> None:
        """A refusal, from wherever it was decided."""
        self._take(messages.Refused(seq, int(refusal), refusal.name.lower(), False, retry_after_ms or 0, detail))

    def push(self, framed: bytes, can_wait: bool) -> None:
        """A push, or a reply of another server; before the welcome it waits."""
        if self.holds_pushes:
            self._held.append(framed)
        else:
            self._read(framed)

    def welcome(self, message: messages.Welcome, now_s: float, first_ping: float) -> None:
        """The login was accepted."""
        held, self._held, self.holds_pushes = self._held, [], False
        self.reply(message)
        for framed in held:
            self._read(framed)

    def close(self, code: codes.Close, detail: str = "", reconnect_after_ms: int = 0) -> None:
        """The server hangs up."""
        if not self.came.done():
            self.came.set_result(code)
        self.end()

    def end(self) -> None:
        """The connection is lost."""
        if not self.transport.is_closing():
            self.transport.end()
            self._side.gone(self._server, self)

    # --- what the client reads --------------------------------------------------------------------------------

    def _read(self, framed: bytes) -> None:
        payloads: list[bytes] = []
        FrameSplitter(FRAME_BYTES_MAX).take(framed, payloads)
        for payload in payloads:
            self._take(messages.decode_from_server(payload))

    def _take(self, message: messages.Message) -> None:
        if self._services is not self._server.services or self.transport.is_closing():
            return  # the process is dead, or the client has gone
        if type(message) is messages.Welcome:
            self._welcome(message)
        elif type(message) in NUMBERED:
            self._note(message)
        elif type(message) is messages.BalanceChanged:
            self._note_balance(message.version, message.balance_fen)
        elif type(message) is messages.ResultUpdate:
            self._note_claims(message)
        elif message.seq:
            self._answer(message)

    def _welcome(self, message: messages.Welcome) -> None:
        self.is_welcome = True
        self.came.set_result(None)
        for one in message.places:
            self.numbers[one.stream_id] = max(one.last_message, self.numbers.get(one.stream_id, 0))
        self._note_balance(message.balance_version, message.balance_fen)

    def _note(self, message: Any) -> None:
        """A client that misses messages before this one reads them from the record."""
        tables = self._side.world.tables
        if message.message > tables.streams.get(message.stream_id, 0):
            self._side.world.report(f"user {self.user_id} was told of {message}, which is not recorded")
        self.numbers[message.stream_id] = max(message.message, self.numbers.get(message.stream_id, 0))

    def follow(self, packet_id: int, page: messages.ResultPageBody) -> None:
        """A result page was shown; claims to come are pushed, if it says so."""
        if page.watched:
            self.followed[packet_id] = page.opened

    def _note_claims(self, update: messages.ResultUpdate) -> None:
        """The next claims of a packet that is followed: none twice, none left out."""
        known, recorded = self.followed.get(update.packet_id), self._side.world.tables.claims[update.packet_id]
        told = [(line.index, line.user_id, line.amount_fen) for line in update.claims]
        if known is None or update.opened != known + len(told):
            self._side.world.report(f"user {self.user_id} knows {known} claims and was told {update}")
        durable = durable_claims(self._side.world, update.packet_id)
        if any(durable.get(user_id) != (index, fen) for index, user_id, fen in told):
            self._side.world.report(f"user {self.user_id} was told {update}, recorded are {recorded}")
        self.followed[update.packet_id] = update.opened

    def _note_balance(self, version: int, fen: int) -> None:
        known = self._side.world.tables.changes.get(self.user_id, [])
        if version and (version > len(known) or known[version - 1] != fen):
            self._side.world.report(f"user {self.user_id} was told of the balance {fen}, version {version}")
        if version >= self.balance_version:
            self.balance_version, self.balance_fen = version, fen

    def _answer(self, message: messages.Message) -> None:
        expected = self.expected.pop(message.seq, None)
        if expected is None:
            self._side.world.report(f"user {self.user_id} got a second answer: {message}")
        else:
            expected(message)

    # --- at the end -------------------------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        """What this client does not know, although nothing is on the way any more."""
        tables, who = self._side.world.tables, f"user {self.user_id} at server {self._server.number}"
        found = []
        streams = [self.user_id]
        if all(self.user_id in members for members in tables.groups[GROUP].history[self.since_version :]):
            streams.append(GROUP)
            for packet_id, known in self.followed.items():
                row = tables.packets[packet_id]
                # a server that is cut off may end a subscription when the packet expires, without claims of others
                if known != row.version and (row.version == row.shares or not self._side.had_gaps):
                    found.append(f"{who} follows {packet_id} and knows {known} claims of {row}")
        for stream_id in streams:
            last, known = tables.streams.get(stream_id, 0), self.numbers.get(stream_id, 0)
            if known != last and stream_id not in self._side.world.untold:
                found.append(f"{who} knows message {known} of stream {stream_id}, the last is {last}")
        fen, version = tables.balance(self.user_id)
        is_other = (self.balance_fen, self.balance_version) != (fen, version)
        if is_other and self.user_id not in self._side.world.untold:
            found.append(f"{who} was told {self.balance_fen} fen (version {self.balance_version}), has {fen}")
        return found
