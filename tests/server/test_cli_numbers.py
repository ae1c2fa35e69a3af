"""Numbers on a command line: none is rounded, and invalid ones are refused."""

from __future__ import annotations

import pytest

from server.cli.main import main


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("topup 1001 88.5", "'88.5' is not a whole number"),
        ("topup 1001 1_000", "'1_000' is not a whole number"),
        ("topup 1001 0x10", "'0x10' is not a whole number"),
        ("topup 1001 0", "Must be >= 1"),
        ("packet 1001.9", "'1001.9' is not a whole number"),
        ("verify 9223372036854775808", "Must be <= 9223372036854775807"),
        ("serve --port 1.5", "'1.5' is not a whole number"),
        ("serve --port 65536", "Must be <= 65535"),
        ("token 1001 --hours inf", "'inf' is not a number"),
        ("token 1001 --hours 1e99", "Must be <="),
        ("token 1001 --hours -5", "Must be > 0"),
        ("sim crowd --seconds nan", "'nan' is not a number"),
        ("sim crowd --seconds -1", "Must be > 0"),
        ("bench opens --rate 0", "Must be > 0"),
        ("bench compare --rounds 0", "Must be >= 1"),
        ("chaos --kills -1", "Must be >= 0"),
    ],
)
def test_invalid_number_is_refused_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: str, expected: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    errors = capsys.readouterr().err
    assert (ended.value.code, errors.count("\n")) == (2, 1), errors
    assert expected in errors
