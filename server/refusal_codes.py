"""Refusals as clients are told them: the code of each reason, and how much of a detail is public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.codes import Refusal
from server.core.refusals import Reason

CODES: Final[Mapping[Reason, Refusal]] = {reason: Refusal[reason.name] for reason in Reason}
NOT_CURRENT: Final = "this server may not know the newest changes of other servers"
# What clients are told: why a store is away, and where it is, stands in the log and on the status socket.
PUBLIC_DETAILS: Final = {Refusal.STORE_UNAVAILABLE: "a store of the server does not respond"}
