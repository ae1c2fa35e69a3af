"""A client made of a socket and `msgpack`, for tests that send what no correct client sends. It is written from
docs/protocol.md alone: it uses nothing of `protocol`, so the tests compare the server with the document.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack

from tests.conftest import FAR_AWAY_S, KEYS, PATIENCE_S, Server

Fields = list[Any]

GOODBYE, PING, PONG, LOGIN, REFUSED = 2, 3, 4, 10, 200
SAY_WORDS = 75
CREATE_GROUP, JOIN_GROUP, LEAVE_GROUP, LIST_MEMBERS, SAY, CATCH_UP = 11, 12, 13, 14, 15, 16
SEND_PACKET, GRAB, OPEN, REVEAL, GET_BALANCE, TOP_UP, WITHDRAW = 20, 21, 22, 23, 24, 25, 26
OPEN_PAGE, RESULT_PAGE, STOP_WATCHING, RECORDS, SEND_AGAIN = 27, 28, 29, 30, 31
PUT_GROUP, SYNC_MEMBERS, GET_INVITE, SHOW_PASS, GET_SEED_TREES = 40, 41, 43, 44, 47
SHAKE, PASS_ON, TAP_LINK = 80, 90, 91
SEND_BILL, GET_BILL, REPORT_EVENT, SET_EVENT_RANGE = 92, 93, 94, 95
KICK, REACTIONS, SET_NAME, GET_NAMES = 32, 33, 34, 35
PUT_USERS, BAN_USER, REVOKE_TOKENS = 37, 38, 39
PUT_GROUP, SYNC_MEMBERS, CHANGE_MEMBERS, GET_INVITE = 40, 41, 42, 43
TEXT_POSTED, PACKET_POSTED, PACKET_FINISHED, PACKET_REFUNDED, BALANCE_CHANGED = 60, 61, 63, 64, 65
CLAIMS_SEEN, REMOVED_FROM_GROUP = 66, 67
WELCOME = 110

KEY_ID = "test"


def use_timing(server: Server, **limits_s: float) -> None:
    """Connections that come from now on have these limits of time, also such that a config may not name together.

    With a limit that is to pass beside one that must not, no moment of a busy machine breaks the second.
    """
    listener = server.app.listener
    listener._timing = listener._timing._replace(**limits_s)


def bounded() -> asyncio.Timeout:
    """The time limit of a block that repeats requests until a condition holds."""
    return asyncio.timeout(PATIENCE_S)


class Goodbye(NamedTuple):
    """The last message of the server; `reconnect` is its advice."""

    code: int
    name: str
    reconnect: bool


SHUTTING_DOWN = Goodbye(3000, "shutting_down", True)
PING_TIMEOUT = Goodbye(3002, "ping_timeout", True)
TOO_MANY_CONNECTIONS = Goodbye(3003, "too_many_connections", True)
LOGIN_TIMEOUT = Goodbye(3004, "login_timeout", True)
TOO_MANY_FAILED_LOGINS = Goodbye(3006, "too_many_failed_logins", True)
BAD_FRAME = Goodbye(3500, "bad_frame", False)
FRAME_TOO_LARGE = Goodbye(3501, "frame_too_large", False)
LOGIN_EXPECTED = Goodbye(3502, "login_expected", False)
LOGIN_REFUSED = Goodbye(3503, "login_refused", False)
TOKEN_EXPIRED = Goodbye(3504, "token_expired", False)


class Refused(NamedTuple):
    """A refusal, without its detail."""

    code: int
    name: str
    temporary: bool
    retry_after_ms: int


class ConnectionEnded(Exception):
    """The server has ended the connection."""


def frame(payload: bytes) -> bytes:
    """The payload behind its length."""
    return struct.pack(">I", len(payload)) + payload


def unpacked(payload: bytes) -> Fields:
    """The message in these bytes."""
    message: Fields = msgpack.unpackb(payload)
    return message


def reply_to(kind: int) -> int:
    """The kind of the reply to a request of this kind."""
    return PONG if kind == PING else kind + 100


def framed(*message: Any) -> bytes:
    """A message as a frame."""
    return frame(msgpack.packb(message))


def proof_of(user_id: int, nonce: bytes, expires_at_s: int = FAR_AWAY_S, key_id: str = KEY_ID) -> bytes:
    """The proof of a login on the connection with this nonce; for an unknown key, made with a known one."""
    key = KEYS.get(key_id, KEYS[KEY_ID])
    mac = hmac.digest(key, f"{user_id}.{expires_at_s}.{key_id}".encode(), "sha256")
    return hmac.digest(mac, nonce, "sha256")


class Raw:
    """One connection. It sends anything that a test gives it; every wait for the server is bounded."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._incoming = b""
        self.last_seq = 0
        self._keys = 0
        self.hello: Fields = []
        self.pushes: list[Fields] = []
        self.answers_pings = True

    @classmethod
    async def connect(cls, server: Server, receive_bytes: int = 0) -> Raw:
        """Connect and read the hello. `receive_bytes`: the size of the receive buffer."""
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        if receive_bytes:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw = cls(opened)
        try:
            await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", server.port))
            raw.hello = await raw.read()
        except BaseException:
            raw.close()
            raise
        return raw

    @property
    def nonce(self) -> bytes:
        """The nonce of the hello."""
        nonce: bytes = self.hello[3]
        return nonce

    def close(self) -> None:
        """Close the socket without a message."""
        self._socket.close()

    def send_no_more(self) -> None:
        """Half-close: the server sees the end of the stream, and its messages can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset_at_close(self) -> None:
        """`close` will be a TCP reset, as when a phone's network changes."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    # --- sending ----------------------------------------------------------------------------------------------

    async def send_bytes(self, data: bytes) -> None:
        """Send these bytes. If the server has closed the connection, the next read raises."""
        with suppress(ConnectionError):
            async with bounded():
                await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def send(self, *message: Any) -> None:
        """Send one message."""
        await self.send_bytes(framed(*message))

    def login_message(self, user_id: int, **other: Any) -> Fields:
        """A valid login on this connection, with the changes in `other`: named_id, expires_at_s, key_id, proof."""
        expires_at_s, key_id = other.get("expires_at_s", FAR_AWAY_S), other.get("key_id", KEY_ID)
        proof = other.get("proof", proof_of(user_id, self.nonce, expires_at_s, key_id))
        return [LOGIN, 0, other.get("named_id", user_id), expires_at_s, key_id, proof]

    async def login(self, user_id: int) -> Fields:
        """Log in; the fields of the welcome."""
        await self.send(*self.login_message(user_id))
        welcome = await self.read()
        assert welcome[0] == WELCOME, welcome
        return welcome[2:]

    # --- reading ----------------------------------------------------------------------------------------------

    async def read(self) -> Fields:
        """The next message. Raises ConnectionEnded at the end, TimeoutError if nothing comes."""
        return unpacked(await self.read_payload())

    async def read_payload(self) -> bytes:
        """The bytes of the next message."""
        (length,) = struct.unpack(">I", await self._exactly(4))
        return await self._exactly(length)

    async def _exactly(self, size: int) -> bytes:
        while len(self._incoming) < size:
            self._incoming += await self._some()
        taken, self._incoming = self._incoming[:size], self._incoming[size:]
        return taken

    async def _some(self) -> bytes:
        try:
            async with bounded():
                data = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
        except ConnectionError:
            raise ConnectionEnded from None
        if not data:
            raise ConnectionEnded
        return data

    async def reply(self, seq: int) -> Fields:
        """The whole reply to the request with this seq. Pushes before it are kept, pings answered."""
        while (message := await self.read())[1] != seq:
            await self._keep(message)
        return message

    async def replies(self, seqs: range) -> list[Fields]:
        """The replies to all these requests, in the order of the seqs; they arrive in any order."""
        found: dict[int, Fields] = {}
        while len(found) < len(seqs):
            message = await self.read()
            if message[1] in seqs and message[1] not in found:
                found[message[1]] = message
            else:
                await self._keep(message)
        return [found[seq] for seq in seqs]

    async def push(self, kind: int) -> Fields:
        """The fields of the oldest push of this kind that was not returned before."""
        while not (found := [one for one in self.pushes if one[0] == kind]):
            await self._keep(await self.read())
        self.pushes.remove(found[0])
        return found[0][2:]

    async def _keep(self, message: Fields) -> None:
        assert message[0] != GOODBYE, message
        assert message[1] == 0, f"a reply without a request: {message}"
        if message[0] != PING:
            self.pushes.append(message)
        elif self.answers_pings:
            await self.send(PONG, message[1])

    async def goodbye(self) -> Goodbye:
        """The goodbye. Replies and pushes before it are skipped; only the end of the connection may follow."""
        while (message := await self.read())[0] != GOODBYE:
            pass
        with suppress(ConnectionEnded):
            after = await self.read()
            raise AssertionError(f"{after} after the goodbye")
        return Goodbye(*message[2:5])

    async def skip_to_end(self) -> None:
        """Read and drop all messages until the connection ends."""
        with suppress(ConnectionEnded):
            while True:
                await self.read()

    # --- asking -----------------------------------------------------------------------------------------------

    async def ask(self, kind: int, *fields: Any) -> Fields:
        """The fields of the reply, which must not be a refusal."""
        reply = await self.tell(kind, *fields)
        assert reply[0] == reply_to(kind), reply
        return reply[2:]

    async def refusal(self, kind: int, *fields: Any) -> Refused:
        """The reply, which must be a refusal."""
        reply = await self.tell(kind, *fields)
        assert reply[0] == REFUSED, reply
        return Refused(*reply[2:6])

    async def refused(self, kind: int, *fields: Any) -> str:
        """The name of the refusal; for another reply its kind as text, for comparison with a table of names."""
        reply = await self.tell(kind, *fields)
        return str(reply[3]) if reply[0] == REFUSED else f"reply {reply[0]}"

    async def tell(self, kind: int, *fields: Any) -> Fields:
        """Ask; the whole reply or refusal."""
        self.last_seq += 1
        await self.send(kind, self.last_seq, *fields)
        return await self.reply(self.last_seq)

    async def send_packet(self, kind: str, target_id: int, amount_fen: int, shares: int = 1, key: str = "") -> int:
        """Send a packet, under a key that is new unless one is given; its id."""
        self._keys += 1
        key = key or f"key {self._keys}"
        packet_id: int = (await self.ask(SEND_PACKET, key, kind, target_id, amount_fen, shares))[0]
        return packet_id

    async def join(self, group_id: int, member: Raw) -> Fields:
        """Join a group by the invite code that a member asks for."""
        _, code = await member.ask(GET_INVITE, group_id)
        return await self.ask(JOIN_GROUP, group_id, code)

    async def ticket(self, packet_id: int) -> int:
        """Grab a packet that still has shares; the ticket."""
        _, answer, ticket, *_ = await self.ask(GRAB, packet_id)
        assert answer == "ticket", answer
        return int(ticket)

    async def grab_and_open(self, packet_id: int) -> Fields:
        """The answer to the opening, without the packet's id."""
        return (await self.ask(OPEN, packet_id, await self.ticket(packet_id)))[1:]

    async def ask_until(self, good: Callable[[Fields], bool], kind: int, *fields: Any) -> Fields:
        """Ask the same again and again until the reply is good; its fields. Bounded."""
        async with bounded():
            while not good(reply := await self.ask(kind, *fields)):
                pass
        return reply
