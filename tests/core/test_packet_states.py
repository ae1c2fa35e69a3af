"""The states of a packet in memory: the table, and the diagram in the docs that is generated from it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from server.core.packet_states import TRANSITIONS, PacketEvent, PacketState, diagram, next_state

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"


def test_diagram_in_the_design_is_the_one_of_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in DESIGN.read_text()


@pytest.mark.parametrize(("state", "event"), list(product(PacketState, PacketEvent)))
def test_next_state_is_that_of_the_table_or_an_error(state: PacketState, event: PacketEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(ValueError, match=f"a packet that is {state} cannot be"):
            next_state(state, event)


def test_every_state_is_reached_and_left() -> None:
    reached, seen = {PacketState.ABSENT}, set[PacketState]()
    while reached - seen:
        state = (reached - seen).pop()
        seen.add(state)
        reached |= {after for (before, _), after in TRANSITIONS.items() if before is state}
    assert reached == set(PacketState)
    assert {before for before, _ in TRANSITIONS} == set(PacketState)


def test_every_event_moves_some_state() -> None:
    assert {event for _, event in TRANSITIONS} == set(PacketEvent)
