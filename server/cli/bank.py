"""`hongbao bank`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from client_sim.bank.faults import FaultPlan
from client_sim.bank.orders import Timing
from client_sim.bank.run import serve
from server.cli.shared.numbers import Port, Seconds, Seed, finite
from server.cli.shared.words import path
from server.loop import run

DATA = Path(".hongbao-bank")
Share = Annotated[float, Parameter(converter=finite, validator=Number(gte=0, lte=1))]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """What goes wrong, and how long things take that take their time."""

    faults: Annotated[Share, Parameter(help="share of orders with a fault")] = 0.0
    statement_faults: Annotated[Share, Parameter(help="share of statements with a fault")] = 0.0
    seed: Annotated[Seed, Parameter(help="the same seed gives the same faults")] = 1
    late: Annotated[Seconds, Parameter(help="how long a late reply takes, seconds")] = 8.0
    processing: Annotated[Seconds, Parameter(help="how long an order takes that is processed, seconds")] = 3.0
    not_found: Annotated[Seconds, Parameter(help="how long an order is not found at first, seconds")] = 120.0
    notice_late: Annotated[Seconds, Parameter(help="how long a late notice waits, seconds")] = 60.0


NO_OPTIONS = FaultOptions()


def bank(
    *,
    data: Annotated[Path, Parameter(converter=path)] = DATA,
    port: Port = 7793,
    host: str = "127.0.0.1",
    http_api: str = "http://127.0.0.1:7792",
    new_keys: Annotated[bool, Parameter(negative=())] = False,
    no_fsync: Annotated[bool, Parameter(negative=())] = False,
    options: FaultOptions = NO_OPTIONS,
) -> int:
    """Run a bank to try payments by card with: its books, its admin page, its faults. No money is real.

    It prints its URL, the section of the config that hongbao needs, and the numbers of its test cards.

    Example: hongbao bank --faults 0.3 --seed 7

    Parameters
    ----------
    data
        folder of its books and keys
    port
        port to listen on (0: any free port)
    host
        address to listen on
    http_api
        URL of hongbao's HTTP API, which takes its notices (empty: none are sent)
    new_keys
        make a new key on both sides; the ones before stay valid
    no_fsync
        do not wait for the disk: faster; a power cut may lose what was answered, a kill does not
    """
    plan = FaultPlan(options.seed, options.faults, options.statement_faults)
    timing = Timing(options.late, options.processing, options.not_found, options.notice_late)
    serving = serve(
        data, host, port, http_api, plan, timing, new_keys=new_keys, waits_for_disk=not no_fsync, say=print
    )
    run(serving)
    return 0
