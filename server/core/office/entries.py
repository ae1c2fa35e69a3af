"""Entries of the log of the back office as values: operator, door, subject, cause, before and after. Pure.

The log names users by their ids, never by their names: it outlives a user who is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from server.core.limits import HOSTILE

CASE_MAX: Final = 40
REASON_MAX: Final = 150  # with the case number it fits the 200 characters that the books keep of a reason
_CASE: Final = re.compile(rf"[\w#][\w#/. -]{{0,{CASE_MAX - 1}}}")
Facts = Mapping[str, object]
NO_FACTS: Final[Facts] = {}


class OfficeRefused(Exception):
    """The back office does not do this; the message is one line for the operator."""


class EntryState(StrEnum):
    """What an entry says happened; the values stand in the records.

    A change has two entries: `begun` before anything is done, then `done` or `refused`, which cites the first. A
    `begun` without a second one was cut off: look at its subject.
    """

    SEEN = "seen"
    ASKED = "asked"  # of another operator, who does it
    DENIED = "denied"  # the role may not pass the door
    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"


class Subject(NamedTuple):
    """What an entry is about: `kind` such as user, packet, break; `name` is an id, or empty: a list."""

    kind: str
    name: str = ""


class Operator(NamedTuple):
    """An operator who is logged in. `uid`: see operator_keys.uid_of; `address`: where the request came from."""

    operator_id: int
    name: str
    role: str
    uid: int
    address: str


class Cause(NamedTuple):
    """Why a change is made. Every change has both."""

    case_number: str
    reason: str


ASKED_MS: Final = 24 * 3_600_000  # for so long another operator may do what was asked for
NO_CAUSE: Final = Cause("", "")


class OfficeEntry(NamedTuple):
    """An entry to be. `of_entry`: the `begun` one that it ends."""

    operator: Operator
    door: str
    state: EntryState
    subject: Subject
    cause: Cause = NO_CAUSE
    before: Facts = NO_FACTS
    after: Facts = NO_FACTS
    of_entry: int | None = None


def cause_of(case_number: str, reason: str) -> Cause:
    """What a form gives as the cause of a change. Raises OfficeRefused."""
    case_number, reason = case_number.strip(), reason.strip()
    if not _CASE.fullmatch(case_number):
        raise OfficeRefused(f"the case number has 1 to {CASE_MAX} letters, digits and # / . - _")
    if not reason or len(reason) > REASON_MAX or HOSTILE.search(reason):
        raise OfficeRefused(f"the reason has 1 to {REASON_MAX} characters on one line")
    return Cause(case_number, reason)
