"""What is asked of a run, and the part of it that one generator does."""

from __future__ import annotations

import msgspec


class RunSpec(msgspec.Struct, frozen=True):
    """One run. Open loop if there is a `rate_per_s`, else closed: `depth` turns under way on each connection."""

    scenario: str
    connections: int
    depth: int = 0
    requests: int = 0  # turns of a closed loop, in all
    rate_per_s: float = 0.0
    seconds: float = 0.0  # for which turns of an open loop begin
    warmup_s: float | None = None  # None: WARMUP_S of an open loop, WARMUP_SHARE of the turns of a closed one
    seed: int = 1
    generators: int = 1

    @property
    def is_open(self) -> bool:
        """Turns begin when the plan says."""
        return self.rate_per_s > 0

    @property
    def turns(self) -> int:
        """How many turns there are to be, before scenarios round up."""
        return round(self.rate_per_s * self.seconds) if self.is_open else self.requests


class GeneratorSpec(msgspec.Struct, frozen=True):
    """One generator's part. It plays the chat backend too, and so has a key to mint tokens with."""

    order: RunSpec  # already divided by the number of generators
    number: int  # of the generator, from 0
    run: str  # a name that no other run on these books has: part of idempotency keys
    url: str
    key_id: str
    key_hex: str
    first_user: int  # the ids from here on are this generator's own
    server_pid: int = 0  # 0: not on this machine
    ca_file: str | None = None  # of a url with tls: whom to believe, instead of those the system does
    bare_url: str = ""  # of a bare server beside it, for scenarios that compare with one


def part_of(order: RunSpec, number: int) -> RunSpec:
    """What the generator with this number does of an order."""
    shares = order.generators
    return msgspec.structs.replace(
        order,
        connections=_part(order.connections, number, shares),
        requests=_part(order.requests, number, shares),
        rate_per_s=order.rate_per_s / shares,
        seed=order.seed * 1_000 + number,
    )


def _part(whole: int, number: int, shares: int) -> int:
    return whole // shares + (number < whole % shares)
