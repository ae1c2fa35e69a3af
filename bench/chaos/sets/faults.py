"""The faults of further sets: each fault that hits PostgreSQL hits one of them, too, each set in its turn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from bench.chaos.faults import FAULTS, Cluster, Fault, Hit

OF_POSTGRES: Final = (
    "SIGKILL a backend of PostgreSQL",
    "SIGKILL postmaster",
    "terminate a backend of PostgreSQL",
    "freeze a backend of PostgreSQL",
    "cut PostgreSQL off",
    "stall PostgreSQL",
    "lose a reply of PostgreSQL",
    "stop PostgreSQL",
    "fill PostgreSQL's quota",
)
OF_A_SET: Final = "of a further set"


async def _hit_a_set(hit: Hit, cluster: Cluster, seconds: float) -> bool:
    """The fault as it would hit set 0."""
    assert cluster.sets is not None
    one = cluster.sets.next()
    other = cluster._replace(postgres=one.process, to_postgres=one.proxy, postgres_dsn=one.dsn)
    return await hit(other, seconds)


def _twin(fault: Fault) -> Fault:
    killed = f"{fault.killed} {OF_A_SET}" if fault.killed else ""
    return fault._replace(name=f"{fault.name} ({OF_A_SET})", hit=partial(_hit_a_set, fault.hit), killed=killed)


def with_sets(faults: Sequence[Fault] = FAULTS) -> list[Fault]:
    """These faults, and a twin for each that hits PostgreSQL."""
    return [*faults, *(_twin(one) for one in faults if one.name in OF_POSTGRES)]
