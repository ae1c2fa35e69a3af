"""Frames from the protocol's own classes: valid ones, edge cases, and every kind of malformed frame.

Every choice draws the same number of random numbers, however many options there are. Therefore a seed always makes
the same choices, although the ids come from the server.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_type_hints

import msgpack

from protocol.framing import frame
from protocol.messages import (
    FROM_CLIENT,
    KINDS_FROM_SERVER,
    BanUser,
    Login,
    Message,
    Pong,
    PutSponsor,
    RevokeTokens,
    kind_of,
)

POOL_MAX = 64
FRAME_BYTES_MAX = 4096
OUTLAW = 901  # the user that the backend bans


class Frame(NamedTuple):
    """Bytes to send, and the expected reaction."""

    name: str
    data: bytes
    seq: int = 0  # of the one expected reply; 0: not known
    may_close: bool = False
    keeps_step: bool = True  # if the server reads on, then from the next frame


@dataclass
class World:
    """Existing ids, for frames that pass the first checks."""

    users: list[int]
    groups: list[int] = field(default_factory=list)
    packets: list[int] = field(default_factory=list)
    tickets: list[int] = field(default_factory=lambda: [1])
    invites: list[str] = field(default_factory=lambda: ["A" * 16])

    def learn(self, pool: list[int], number: int) -> None:
        """Add an id and drop the oldest."""
        pool.append(number)
        del pool[:-POOL_MAX]


EDGES = [-(2**63), -(2**31), -1, 0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63 - 1]
BEYOND = [2**63, 2**64 - 1]
TEXTS = [
    "",
    "a",
    "\0",
    "红包",
    "😀" * 30,
    "a" * 64,
    "a" * 65,
    "a" * 2000,
    "a" * 2001,
    "\u202e\ufeff",
    "lucky",
    "'; --",
]
WRONG = [
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    {},
    [[1]],
    {"a": 1},
    b"\xff",
    msgpack.ExtType(5, b"x"),
    "1",
]
RAW = [b"\xc1", b"\xa2\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]
HEADS = [b"", b"\x93\x18\x01", b"\x93\x15\x01", b"\x93\x63\x01"]
LENGTHS = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_536, 1 << 20, 1 << 31, 2**32 - 1]
HINTS = {
    of: [(name, of_type) for name, of_type in get_type_hints(of).items() if name != "seq"] for of in FROM_CLIENT
}
KINDS = ("lucky", "equal", "personal", "LUCKY", "")


class Grammar:
    """Makes frames from a seed."""

    def __init__(self, seed: str, world: World, recorded: Sequence[Frame]) -> None:
        self._recorded = recorded
        self._random = random.Random(seed)
        self._world = world
        self._seq = 0
        self._mixed: list[tuple[Callable[[], Frame], float]] = [
            (self.request, 70.0),
            (self.odd_field, 40.0),
            (self.arity, 8.0),
            (self.mutated, 30.0),
            (self.wrong_head, 4.0),
            (self.nested, 2.0),
            (self.large, 2.0),
            (self.raw, 2.0),
            (self.length, 1.0),
            (self.truncated, 1.0),
        ]

    def pick(self, among: Sequence[Any]) -> Any:
        """One of these, for one random number."""
        return among[int(self._random.random() * len(among))]

    def any(self) -> Frame:
        """A frame of any kind."""
        makers, weights = zip(*self._mixed, strict=True)
        made: Frame = self._random.choices(makers, weights)[0]()
        return made

    def split(self, data: bytes) -> list[bytes]:
        """The same bytes, sometimes in two pieces, as on a bad network."""
        if self._random.random() < 0.95 or len(data) < 3:
            return [data]
        cut = 1 + int(self._random.random() * (len(data) - 1))
        return [data[:cut], data[cut:]]

    # --- kinds of frames --------------------------------------------------------------------------------------

    def request(self) -> Frame:
        """A request as an honest client might make it, with ids that exist."""
        of = self.pick(FROM_CLIENT)
        return self._framed(of.__name__, of, [self._good(of, name) for name, _ in HINTS[of]])

    def odd_field(self) -> Frame:
        """A request with one field at or beyond the limits of its values, or of a wrong type."""
        of = self.pick(FROM_CLIENT)
        fields = [self._good(of, name) for name, _ in HINTS[of]]
        odd = self.pick(self.pick((EDGES, EDGES, TEXTS, WRONG, BEYOND)))
        if fields:
            fields[int(self._random.random() * len(fields))] = odd
        return self._framed(f"{of.__name__} with {odd!r:.20}", of, fields)

    def arity(self) -> Frame:
        """Too few fields, or more than this server knows."""
        of = self.pick(FROM_CLIENT)
        fields = [self._good(of, name) for name, _ in HINTS[of]]
        count = int(self._random.random() * 12)
        return self._framed(f"{of.__name__} of {count}", of, (fields + [self.pick(WRONG)] * 12)[:count])

    def wrong_head(self) -> Frame:
        """An unknown kind or one of the server, an invalid seq."""
        kind = self.pick((*EDGES, *BEYOND, *WRONG, *sorted(KINDS_FROM_SERVER)))
        seq = self.pick((1, 1, *EDGES, *WRONG))
        return Frame(
            f"head {kind!r:.20}, {seq!r:.20}", frame(msgpack.packb([kind, seq, self.pick(WRONG)])), 0, True
        )

    def nested(self) -> Frame:
        """Arrays or maps in one another, as deep as a frame allows."""
        depth = int(self._random.random() * (FRAME_BYTES_MAX - 10))
        level = self.pick((b"\x91", b"\x81\xa0"))
        payload = self.pick(HEADS) + level * (depth // len(level)) + b"\x01"
        return Frame(f"nested {depth}", frame(payload), 0, True)

    def large(self) -> Frame:
        """A full frame of items or text."""
        count = int(self._random.random() * 4000)
        body = self.pick((b"\xdd" + struct.pack(">I", count) + b"\xc0" * count, msgpack.packb("a" * count)))
        return Frame(f"large {count}", frame(self.pick(HEADS) + body), 0, True)

    def raw(self) -> Frame:
        """Bytes that are not MessagePack, or announce more than there is."""
        return Frame("raw", frame(self.pick(HEADS) + self.pick((*RAW, self._random.randbytes(20)))), 0, True)

    def length(self) -> Frame:
        """A length that no payload of its size follows."""
        said = self.pick(LENGTHS)
        return Frame(f"length {said}", struct.pack(">I", said) + self._random.randbytes(8), 0, True, False)

    def truncated(self) -> Frame:
        """A frame that ends too early."""
        whole = self.request()
        cut = 1 + int(self._random.random() * (len(whole.data) - 1))
        return Frame(f"{whole.name} cut at {cut}", whole.data[:cut], 0, True, False)

    def mutated(self) -> Frame:
        """A frame of a real session with bits flipped; one in ten also in its length."""
        recorded = self.pick(self._recorded)
        data = bytearray(recorded.data)
        spares_length = self._random.random() < 0.9
        for _ in range(1 + int(self._random.random() * 4)):
            first = 4 if spares_length and len(data) > 4 else 0
            data[first + int(self._random.random() * (len(data) - first))] ^= 1 << int(self._random.random() * 8)
        return Frame(f"{recorded.name} mutated", bytes(data), 0, True, spares_length)

    # --- fields ----------------------------------------------------------------------------------

    def _framed(self, name: str, of: type[Message], fields: list[Any]) -> Frame:
        self._seq = self._seq % 1_000_000 + 1
        seq = 0 if of is Pong else self._seq
        return Frame(name, frame(msgpack.packb([kind_of(of), self._seq, *fields])), seq)

    def _good(self, of: type[Message], name: str) -> Any:
        world = self._world
        if of is Login and name == "user_id":
            return self.pick(world.users)
        if of in (BanUser, RevokeTokens, PutSponsor) and name == "user_id":  # the login of a sponsor is refused
            return self.pick((OUTLAW,))
        values: dict[str, Callable[[], Any]] = {
            "user_id": lambda: self.pick(world.users),
            "group_id": lambda: self.pick(world.groups),
            "stream_id": lambda: self.pick(world.groups + world.users),
            "target_id": lambda: self.pick(world.groups + world.users),
            "packet_id": lambda: self.pick(world.packets),
            "ticket": lambda: self.pick(world.tickets),
            "packet_kind": lambda: self.pick(KINDS),
            "amount_fen": lambda: self.pick((1, 10, 100, 20_000)),
            "shares": lambda: self.pick((1, 2, 3, 10)),
            "after": lambda: self.pick((0, 1, 100)),
            "other_id": lambda: self.pick(world.users),
            "owner_id": lambda: self.pick((0, *world.users)),
            "after_user_id": lambda: self.pick((0, world.users[0])),
            "users": lambda: [[self.pick(world.users), "a"]],
            "user_ids": lambda: self.pick((world.users, world.users[:2], [])),
            "joined": lambda: self.pick((world.users[:2], [OUTLAW], [])),
            "left": lambda: self.pick((world.users[2:4], [OUTLAW], [])),
            "version": lambda: self.pick((1, 10, 100)),
            "external_id": lambda: self.pick(("room-1", "room-2")),
            "audience": lambda: self.pick(("members", "signature", "all")),
            "invite": lambda: self.pick(world.invites),
            "renew": lambda: self.pick((False, True)),
            "banned": lambda: self.pick((False, True)),
            "client_seed": lambda: self.pick((b"", bytes(16), bytes(15), bytes(33))),
            "key": lambda: f"k{self._random.getrandbits(20)}",
            "expires_at_s": lambda: 4_000_000_000,
            "key_id": lambda: "k1",
            "proof": lambda: self._random.randbytes(32),
        }
        return values.get(name, lambda: self.pick(TEXTS))()
