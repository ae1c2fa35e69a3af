"""The options of the simulated users of a demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from server.cli.shared.numbers import Count, Seconds, Seed


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CrowdOptions:
    """The simulated users of a demo."""

    users: Annotated[Count, Parameter(help="number of simulated users")] = 60
    groups: Annotated[Count, Parameter(help="number of groups")] = 6
    seconds: Annotated[Seconds, Parameter(help="length of the run (with --join: until you quit)")] = 20.0
    seed: Annotated[Seed, Parameter(help="the same seed gives the same users with the same habits")] = 1


CROWD: Final = CrowdOptions()
