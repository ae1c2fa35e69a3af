"""What a run is asked to do, and the part of it that one generator does."""

from __future__ import annotations

import msgspec


class RunSpec(msgspec.Struct, frozen=True):
    """One run. With `rate_per_s` an open loop, else closed: `depth` operations in flight on each connection."""

    scenario: str
    connections: int
    depth: int = 0
    requests: int = 0  # operations of a closed loop, in all
    rate_per_s: float = 0.0
    seconds: float = 0.0  # for which operations of an open loop begin
    warmup_s: float | None = None  # None: WARMUP_S in an open loop, WARMUP_SHARE of the operations in a closed one
    seed: int = 1
    generators: int = 1

    @property
    def is_open(self) -> bool:
        return self.rate_per_s > 0

    @property
    def operations(self) -> int:
        """The planned number of operations, before a scenario rounds it up."""
        return round(self.rate_per_s * self.seconds) if self.is_open else self.requests


class GeneratorSpec(msgspec.Struct, frozen=True):
    """One generator's part. A generator also acts as the chat backend, so it has a key to mint tokens with."""

    run_spec: RunSpec  # already divided by the number of generators
    number: int  # of the generator, from 0
    run_name: str  # unique on these books: part of idempotency keys
    url: str
    key_id: str
    key_hex: str
    first_user: int  # this generator owns the user ids from here on
    server_pid: int = 0  # 0: not on this machine
    ca_file: str | None = None  # for a url with TLS: CA file to trust, instead of the system's
    dsn: str = ""  # of the records; "": this server keeps none, or they are not on this machine
    bare_url: str = ""  # of a bare server beside it, for scenarios that compare with one
    websocket_url: str = ""  # of the same server; "": it has none
    http_url: str = ""  # of the HTTP API; "": this server has none
    http_key_id: str = ""
    http_key_hex: str = ""


def part_of(run_spec: RunSpec, number: int) -> RunSpec:
    """The part of a run that the generator with this number does."""
    generators = run_spec.generators

    def part(whole: int) -> int:
        return whole // generators + (number < whole % generators)

    return msgspec.structs.replace(
        run_spec,
        connections=part(run_spec.connections),
        requests=part(run_spec.requests),
        rate_per_s=run_spec.rate_per_s / generators,
        seed=run_spec.seed * 1_000 + number,
    )
