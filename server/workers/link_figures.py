"""How figures of links of several workers become those of the server. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from server.ops.samples.sample import Counts, LinkFigures


def links(values: Sequence[LinkFigures | None]) -> LinkFigures | None:
    """The ends of links of all workers, those between them included."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    missing: dict[str, str] = {}
    for one in known:
        missing |= one.missing
    return LinkFigures(
        up=_added(one.up for one in known),
        missing=missing,
        lost=sum(one.lost for one in known),
        refused=_added(one.refused for one in known),
        pushes=_added(one.pushes for one in known),
    )


def counted_links(value: LinkFigures | None) -> LinkFigures | None:
    """What stays of those of a process that has ended."""
    return None if value is None else LinkFigures(lost=value.lost, refused=value.refused, pushes=value.pushes)


def _added(values: Iterable[Mapping[str, int]]) -> Counts:
    total: Counter[str] = Counter()
    for counts in values:
        total.update(counts)
    return dict(total)
