"""Rules of the back office: roles and doors, keys, causes, cells of CSV, tries of an address, the line of time."""

from __future__ import annotations

import pytest

from server.core.office.csv_text import BYTE_ORDER_MARK, as_csv, cell
from server.core.office.entries import CASE_MAX, REASON_MAX, Cause, OfficeRefused, cause_of
from server.core.office.life import LifeClaim, LifePost, LifeStep, PacketLife, line_of, waiting
from server.core.office.login_limits import ADDRESSES_MAX, TRIES, TRY_AGAIN_S, LoginLimits
from server.core.office.operator_keys import (
    SYSTEM_UIDS,
    OperatorKey,
    form_proof,
    is_proof,
    key_in,
    secret_of,
    session_hash,
    uid_of,
)
from server.core.office.roles import DOORS, Door, OfficeRole, doors_of, may

SECRET = secret_of(bytes(range(32)))
ALL, PEOPLE, HELP, MONEY, HEAD, SHELL = "vsfa", "sfa", "sa", "fa", "a", ""
# The first letters of the roles that may pass, written out once more: a slip in the table is found here.
EXPECTED = {
    ALL: "home search packet campaigns log_in log_out",
    PEOPLE: "names user group transfer payment payments risk",
    HELP: "freeze unfreeze release",
    MONEY: "breaks corrections export own_break close_break propose approve reject confirm_payment decline_payment "
    "close_payment pause_campaign resume_campaign end_campaign",
    HEAD: "operators log",
    SHELL: "add_operator change_operator",
}


def test_doors_every_role_passes_those_of_the_table() -> None:
    expected = {Door(name): letters for letters, names in EXPECTED.items() for name in names.split()}
    assert expected.keys() == set(Door) == set(DOORS)
    passed = {door: "".join(role.value[0] for role in OfficeRole if may(role, door)) for door in Door}
    assert passed == expected


def test_doors_a_viewer_changes_nothing_and_sees_no_name() -> None:
    assert [door for door in doors_of(OfficeRole.VIEWER) if DOORS[door].is_change] == []
    assert Door.NAMES not in doors_of(OfficeRole.VIEWER)


def test_doors_only_an_admin_freezes_users_and_approves_corrections() -> None:
    both = [role for role in OfficeRole if may(role, Door.FREEZE) and may(role, Door.APPROVE)]
    assert both == [OfficeRole.ADMIN]


def test_operator_key_is_found_in_what_a_person_pastes() -> None:
    key = OperatorKey(12, SECRET)
    assert str(key) == f"hbo_12_{SECRET}"
    assert key_in(f"  {key}\n") == key
    assert repr(key) == "OperatorKey(12)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hbo_",
        f"hbo_0_{SECRET}",
        f"hbo_1_{SECRET}x",
        f"hbo_1_{SECRET[:-1]}",
        f"hbo_-1_{SECRET}",
        f"hbo_١_{SECRET}",
        f"HBO_1_{SECRET}",
        f"hbo_{'9' * 19}_{SECRET}",
        f"hbo_1_{SECRET[:-1]}\0",
    ],
)
def test_operator_key_other_texts_are_none(text: str) -> None:
    assert key_in(text) is None


def test_session_the_record_has_a_hash_of_a_secret_alone() -> None:
    found = session_hash(SECRET)
    assert found is not None
    assert len(found) == 32
    assert SECRET.encode() not in found
    assert session_hash("") is None
    assert session_hash(SECRET + "x") is None


def test_form_proof_is_of_one_session() -> None:
    other = secret_of(bytes(32))
    assert is_proof(SECRET, form_proof(SECRET))
    assert not is_proof(SECRET, form_proof(other))
    assert not is_proof(SECRET, "")
    assert not is_proof(SECRET, "红包")


def test_uid_an_operator_has_none_of_the_system_unless_they_are_one() -> None:
    assert uid_of(1, None) == SYSTEM_UIDS + 1 > 2**32 - 1
    assert uid_of(1, 1000) == 1000
    assert uid_of(1, 0) == 0


def test_cause_is_taken_without_spaces_around_it() -> None:
    assert cause_of(" CASE-12/3 ", " 客户来电 ") == Cause("CASE-12/3", "客户来电")
    assert cause_of("c" * CASE_MAX, "r" * REASON_MAX).case_number == "c" * CASE_MAX
    assert len(f"{'c' * CASE_MAX}: {'r' * REASON_MAX}") <= 200  # what the books keep of a reason


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("", "why"),
        ("   ", "why"),
        ("c" * (CASE_MAX + 1), "why"),
        ("a<b>", "why"),
        ("=1", "why"),
        ("case\n", "why\nmore"),
        ("case", ""),
        ("case", "  "),
        ("case", "r" * (REASON_MAX + 1)),
        ("case", "a\u202eb"),
        ("case", "a\0b"),
    ],
)
def test_cause_without_case_number_or_reason_is_refused(case: str, reason: str) -> None:
    with pytest.raises(OfficeRefused):
        cause_of(case, reason)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1+1",
        "＋1",
        "－1",
        "＠x",
        "\ufeff=1",
        "\u200b=1",
    ],
)
def test_csv_what_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1', "a; \"'=1+1"),
        ("a\t+1;@b", "a\t'+1;'@b"),
        ("a\n=1", "a\n'=1"),
        ("a;＝1", "a;'＝1"),
        ("\u3000=1", "'\u3000=1"),
        ("a; b = 1", "a; b = 1"),
        ("a,=1", "a,=1"),  # quoted where commas part cells, inside of a cell where semicolons do
    ],
)
def test_csv_what_another_separator_would_make_a_formula_is_text(text: str, shown: str) -> None:
    assert cell(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(-3, "-3"), (0, "0"), (None, ""), ("a=b", "a=b"), ("1-2", "1-2"), ("", "")]
)
def test_csv_numbers_and_plain_texts_stay(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_csv_cells_with_commas_quotes_and_lines_are_quoted() -> None:
    text = as_csv(("=head", "b"), [('a,"b"', "x\ny"), (1, "=2")])
    assert text == f'{BYTE_ORDER_MARK}\'=head,b\r\n"a,""b""","x\ny"\r\n1,\'=2\r\n'


def test_login_limits_tries_run_out_and_come_back_one_by_one() -> None:
    limits = LoginLimits()
    assert [limits.take("a", 0.0) for _ in range(TRIES)] == [0.0] * TRIES
    assert limits.take("a", 0.0) == TRY_AGAIN_S
    assert limits.take("b", 0.0) == 0.0
    assert limits.take("a", TRY_AGAIN_S) == 0.0
    assert limits.take("a", TRY_AGAIN_S) == TRY_AGAIN_S


def test_login_limits_a_right_key_costs_no_try() -> None:
    limits = LoginLimits()
    for _ in range(3 * TRIES):
        assert limits.take("a", 0.0) == 0.0
        limits.give_back("a")
    assert limits.take("a", 0.0) == 0.0


def test_login_limits_remember_no_more_addresses_than_there_is_room_for() -> None:
    limits = LoginLimits()
    for number in range(ADDRESSES_MAX + 10):
        limits.take(str(number), 0.0)
    assert len(limits._left) == ADDRESSES_MAX


def life(**changes: object) -> PacketLife:
    """A packet of 1,000 fen in two shares, sent at 1,000 ms, of which nothing was opened."""
    facts: dict[str, object] = {
        "packet_id": 2**60,
        "kind": "lucky",
        "state": "open",
        "sender_id": 1,
        "target_id": 2**59,
        "key": "k",
        "greeting": "",
        "total_fen": 1_000,
        "shares": 2,
        "created_at_ms": 1_000,
        "send_at_ms": None,
        "scheduled": "",
        "expires_at_ms": 90_000,
        "closed_at_ms": None,
        "claims": [],
        "claimed_fen": 0,
        "refunded_fen": 0,
        "refunded_at_ms": None,
        "groups": {},
        "posts": [],
        "payment": None,
    }
    return PacketLife(**(facts | changes))  # type: ignore[arg-type]


FIRST, LAST = LifeClaim(0, 2, 400, 2_000, 2_100, False), LifeClaim(1, 3, 600, 2_000, None, True)


def test_life_an_open_packet_has_its_end_ahead() -> None:
    line = line_of(life(), 5_000)
    assert [(one.step, one.at_ms, one.is_ahead) for one in line] == [
        (LifeStep.SENT, 1_000, False),
        (LifeStep.EXPIRES, 90_000, True),
    ]
    assert [(one.left_shares, one.left_fen) for one in line] == [(2, 1_000), (2, 1_000)]


def test_life_claims_of_one_millisecond_stand_by_their_index_and_the_rest_goes_down() -> None:
    done = life(claims=[LAST, FIRST], claimed_fen=1_000, closed_at_ms=2_000, state="finished")
    line = line_of(done, 5_000)
    assert [one.step for one in line] == ["sent", "claimed", "claimed", "finished", "credited"]
    assert [(one.user_id, one.left_shares, one.left_fen) for one in line[1:3]] == [(2, 1, 600), (3, 0, 0)]
    assert [one.is_best for one in line[1:3]] == [False, True]
    assert waiting(done) == (1, 600)


def test_life_a_refund_ends_it_after_its_time_was_over() -> None:
    claim = LifeClaim(0, 2, 400, 2_000, 2_100, False)
    over = life(claims=[claim], claimed_fen=400, closed_at_ms=90_500, refunded_fen=600, refunded_at_ms=90_500)
    line = line_of(over, 99_000)
    assert [one.step for one in line] == ["sent", "claimed", "credited", "expires", "refunded"]
    assert (line[-1].user_id, line[-1].amount_fen, line[-1].left_fen) == (1, 600, 0)
    assert not any(one.is_ahead for one in line)


def test_life_payment_schedule_posts_and_groups_have_their_places() -> None:
    told = [LifePost(2**59, 7, 0, 1_001), LifePost(1, 3, 1, 2_500)]
    full = life(payment=(2**58, 900), send_at_ms=1_500, scheduled="posted", posts=told, groups={2**57: 1_800})
    line = line_of(full, 3_000)
    assert [one.step for one in line] == ["charged", "sent", "posted", "scheduled", "sent_again", "told", "expires"]
    assert [one.stream_id for one in line if one.step in ("posted", "told", "sent_again")] == [2**59, 2**57, 1]
