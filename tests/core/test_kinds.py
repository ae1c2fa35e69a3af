"""The table of kinds: every kind has a row, and the lists that statements get follow from it."""

from __future__ import annotations

from protocol import messages
from server.core.kinds import (
    BY_BILL,
    ROWS,
    TO_INVITED,
    TO_USER,
    WITH_BEST_LUCK,
    Allocation,
    Audience,
    PacketKind,
    SeenBy,
    SentBy,
)
from server.core.limits import Limits


def test_every_kind_has_its_row() -> None:
    assert ROWS.keys() == set(PacketKind)
    assert all(kind.row is ROWS[kind] for kind in PacketKind)


def test_only_drawn_amounts_have_a_best_luck() -> None:
    assert all(row.allocation is Allocation.DRAWN for row in ROWS.values() if row.has_best_luck)


def test_a_packet_to_one_user_is_seen_in_the_inboxes_of_both() -> None:
    by_users = [row for row in ROWS.values() if row.sent_by is SentBy.USERS]
    assert all(row.posted_to_sender == row.goes_to_user for row in by_users)
    assert not any(
        row.posted_to_sender for row in ROWS.values() if row.sent_by is not SentBy.USERS
    )  # a sponsor reads no inbox


def test_lists_for_statements_are_the_values_of_the_records() -> None:
    assert (WITH_BEST_LUCK, TO_USER, TO_INVITED) == (
        ["lucky", "password", "enterprise_lucky"],
        ["personal", "enterprise"],
        ["fission"],
    )
    assert BY_BILL == ["enterprise", "enterprise_lucky", "enterprise_equal"]


def test_who_opens_by_a_link_sees_no_list_and_no_best_luck_of_others() -> None:
    invited = [row for row in ROWS.values() if row.audience is Audience.INVITED]
    assert {(row.claims_seen_by, row.has_best_luck, row.total_is_shown) for row in invited} == {
        (SeenBy.SENDER_AND_TARGET, False, False)
    }
    assert all(row.target_opens_first and row.shares_min == 3 for row in invited)


def test_clients_that_name_no_feature_know_the_kinds_of_the_first_version() -> None:
    known = [kind for kind in PacketKind if kind.row.sent_by is SentBy.USERS and not kind.row.feature]
    assert known == ["lucky", "equal", "personal"]


def test_kinds_that_older_clients_do_not_know_are_features_of_their_name() -> None:
    assert {kind: kind.row.feature for kind in PacketKind if kind.row.feature} == {
        PacketKind.FISSION: messages.FISSION,
        PacketKind.EXCLUSIVE: messages.EXCLUSIVE,
        PacketKind.PASSWORD: messages.PASSWORD,
        PacketKind.ENTERPRISE: messages.ENTERPRISE,
        PacketKind.ENTERPRISE_LUCKY: messages.ENTERPRISE_LUCKY,
        PacketKind.ENTERPRISE_EQUAL: messages.ENTERPRISE_EQUAL,
    }
    assert all(kind.row.feature in ("", kind) for kind in PacketKind)


def test_lifetime_is_the_limit_of_the_deployment() -> None:
    assert {row.lifetime_s(Limits(packet_lifetime_s=7.0)) for row in ROWS.values()} == {7.0}
