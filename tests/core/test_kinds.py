"""The table of kinds: every kind has a row, and the lists that statements get follow from it."""

from __future__ import annotations

from server.core.kinds import ROWS, TO_USER, WITH_BEST_LUCK, Allocation, Audience, PacketKind
from server.core.limits import Limits


def test_every_kind_has_its_row() -> None:
    assert ROWS.keys() == set(PacketKind)
    assert all(kind.row is ROWS[kind] for kind in PacketKind)


def test_only_drawn_amounts_have_a_best_luck() -> None:
    assert all(row.allocation is Allocation.DRAWN for row in ROWS.values() if row.has_best_luck)


def test_a_packet_to_one_user_is_seen_in_the_inboxes_of_both() -> None:
    assert all(row.posted_to_sender == (row.audience is Audience.RECEIVER) for row in ROWS.values())


def test_lists_for_statements_are_the_values_of_the_records() -> None:
    assert (WITH_BEST_LUCK, TO_USER) == (["lucky", "password"], ["personal"])


def test_kinds_that_older_clients_do_not_know_are_features_of_their_name() -> None:
    with_feature = {kind: kind.row.feature for kind in PacketKind if kind.row.feature}
    assert with_feature == {PacketKind.EXCLUSIVE: "exclusive", PacketKind.PASSWORD: "password"}


def test_lifetime_is_the_limit_of_the_deployment() -> None:
    assert {row.lifetime_s(Limits(packet_lifetime_s=7.0)) for row in ROWS.values()} == {7.0}
