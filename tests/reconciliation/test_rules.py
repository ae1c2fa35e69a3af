"""The pure rules: days, the file, the classes."""

from __future__ import annotations

from datetime import date

import pytest

from server.core.reconciliation.days import (
    DAY_MS,
    day_of,
    days_of,
    doubt_ends_ms,
    first_ms,
    is_over,
    late_s,
    missing,
)
from server.core.reconciliation.rules import RowClass, classify, difference_fen
from server.core.reconciliation.statement_file import (
    BadStatement,
    BankLine,
    StatementClaim,
    parse_lines,
    payment_number,
)
from tests.reconciliation.books import DAY, payment, row_of

NOON_MS = first_ms(DAY) + DAY_MS // 2
OURS = payment(NOON_MS)
ROW = row_of(OURS)


def test_days_are_those_of_beijing() -> None:
    assert first_ms(date(2026, 11, 28)) == 1_795_795_200_000  # 2026-11-27T16:00:00Z
    assert [day_of(1_795_795_200_000 - 1), day_of(1_795_795_200_000)] == [date(2026, 11, 27), date(2026, 11, 28)]
    assert days_of(NOON_MS, NOON_MS + 500) == (DAY, DAY)
    midnight_ms = first_ms(DAY) + DAY_MS
    assert days_of(midnight_ms - 300_001, midnight_ms - 300_001) == (DAY, DAY)
    assert days_of(midnight_ms - 1, midnight_ms - 1) == (DAY, date(2026, 11, 28))
    assert is_over(DAY, midnight_ms)
    assert not is_over(DAY, midnight_ms - 1)
    assert doubt_ends_ms(DAY) == first_ms(date(2026, 11, 30))


def test_statement_is_missing_from_eleven_of_the_next_day_on() -> None:
    eleven_ms = first_ms(date(2026, 11, 28)) + 11 * 3_600_000
    assert missing(DAY, set(), eleven_ms - 1) == []
    assert missing(DAY, set(), eleven_ms) == [DAY]
    assert missing(DAY, {DAY}, eleven_ms) == []
    assert missing(date(2026, 11, 24), {date(2026, 11, 25)}, eleven_ms) == [
        date(2026, 11, 24),
        date(2026, 11, 26),
        DAY,
    ]
    assert len(missing(date(2020, 1, 1), set(), eleven_ms)) == 31
    assert late_s(DAY, eleven_ms + 60_000) == 60.0


@pytest.mark.parametrize(
    ("row", "ours", "expected", "difference"),
    [
        ({}, {}, RowClass.MATCHED, 0),
        ({}, {"state": "unknown"}, RowClass.OPEN, 0),
        ({"state": "failed"}, {"state": "failed"}, RowClass.MATCHED, 0),
        ({"state": "reversed"}, {"state": "failed"}, RowClass.MATCHED, 0),
        ({"amount_fen": 301}, {}, RowClass.AMOUNT, 1),
        ({"amount_fen": 299}, {"state": "unknown"}, RowClass.AMOUNT, 299),
        ({"amount_fen": 301, "state": "failed"}, {}, RowClass.AMOUNT, 300),
        ({"account": "card-2"}, {}, RowClass.OTHER_ACCOUNT, 300),
        ({"account": "card-2"}, {"account": ""}, RowClass.MATCHED, 0),
        ({"account": "card-2"}, {"state": "unknown"}, RowClass.OTHER_ACCOUNT, 300),
        ({"state": "failed"}, {}, RowClass.STATE, 300),
        ({"state": "reversed"}, {}, RowClass.STATE, 300),
        ({}, {"state": "failed"}, RowClass.STATE, 300),
        ({"day": date(2026, 11, 28)}, {}, RowClass.OTHER_DAY, 0),
        ({"at_ms": NOON_MS + DAY_MS}, {}, RowClass.OTHER_DAY, 0),
        ({"day": date(2026, 11, 28), "at_ms": NOON_MS + DAY_MS}, {}, RowClass.OTHER_DAY, 0),
        (
            {"day": date(2026, 11, 28), "at_ms": NOON_MS + DAY_MS},
            {"changed_at_ms": NOON_MS + DAY_MS},
            RowClass.MATCHED,
            0,
        ),
    ],
)
def test_row_has_one_class(
    row: dict[str, object], ours: dict[str, object], expected: RowClass, difference: int
) -> None:
    theirs, mine = ROW._replace(**row), OURS._replace(**ours)  # type: ignore[arg-type]
    assert classify(theirs, mine, is_first=True) is expected
    assert difference_fen(expected, theirs, mine) == difference


def test_row_without_a_payment_is_the_banks_alone_and_a_second_one_is_a_duplicate() -> None:
    assert classify(ROW, None, is_first=True) is RowClass.BANK_ONLY
    assert classify(ROW, OURS, is_first=False) is classify(ROW, None, is_first=False) is RowClass.DUPLICATE
    assert difference_fen(RowClass.BANK_ONLY, ROW, None) == difference_fen(RowClass.DUPLICATE, ROW, OURS) == 300
    assert difference_fen(RowClass.BANK_ONLY, ROW._replace(state="failed"), None) == 0


def test_lines_are_parsed_and_bad_ones_are_named() -> None:
    line = b"1,r1,5,charge,card-1,300,succeeded,2026-11-27T12:00:00.25+08:00\n"
    assert list(parse_lines(DAY, line)) == [
        BankLine(DAY, 1, "r1", "5", "charge", "card-1", 300, "succeeded", NOON_MS + 250)
    ]
    with pytest.raises(BadStatement, match="not as the format says: '2,r1'"):
        list(parse_lines(DAY, line + b"2,r1\n"))
    with pytest.raises(BadStatement, match="line 1: there is no such time"):
        list(parse_lines(DAY, line.replace(b"11-27", b"11-31")))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("5", 5),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("05", None),
        ("", None),
        ("X-7", None),
        ("5" * 30, None),
    ],
)
def test_number_that_cannot_be_one_of_ours_is_none(number: str, expected: int | None) -> None:
    assert payment_number(number) == expected


def test_signed_text_has_what_the_format_says() -> None:
    claim = StatementClaim("bank", "m-1", DAY, 2, 30, "ab" * 32)
    assert claim.signed_text == b"statement\nm-1\n2026-11-27\n2\n30\n" + b"ab" * 32
