"""What pages answer with. Each names its subject, for the log: none is sent before its entry has committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from server.core.office.entries import NO_FACTS, Subject


class Seen(NamedTuple):
    """A page. `subject`: what it shows; `what`: which part of it, or what a search has found (ids, never names)."""

    title: str
    body: str
    subject: Subject
    what: Mapping[str, object] = NO_FACTS


class Taken(NamedTuple):
    """A list as a file of CSV."""

    name: str
    text: str
    subject: Subject
    what: Mapping[str, object] = NO_FACTS


class Changed(NamedTuple):
    """A change is made: the page that shows it. `entry_id`: of the log."""

    path: str
    entry_id: int


class NotThere(NamedTuple):
    """There is no such thing. That it was looked for is logged, too."""

    subject: Subject


OfficeAnswer: TypeAlias = Seen | Taken | Changed | NotThere
